// In a file of its own, so that only who names it links every decoder.
#include "shrike/heads.h"
#include "shrike/shrike.h"

extern const shrike_head_set* const shrike_all_heads =
    reinterpret_cast<const shrike_head_set*>(&shrike::kAllHeads);
