// Stand-in: what the build makes of the component's Kconfig.
#pragma once
#define CONFIG_SHRIKE_MODEL_PARTITION "model"
#define CONFIG_SHRIKE_ARENA_KIB 1280
#define CONFIG_SHRIKE_INTERNAL_KIB 0
