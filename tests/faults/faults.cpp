// A library to be preloaded (LD_PRELOAD): makes the n-th call of a kind fail, as a full disk, a damaged one,
// a limit or a machine without memory would. Counted from main() on, because what happens before is not ours.
//
//   SHRIKE_FAULT="KIND N"        the N-th call (from 1) of this kind fails, and all later ones of that kind
//                                with "KIND N+"; with "KIND N kill" the process is killed instead
//   SHRIKE_FAULT_COUNTS=FILE     at the end of the process a line "KIND CALLS" for each kind is appended
//
// Kinds: alloc, open, read, write, rename, sync, thread.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
}

namespace {

enum Kind { kAlloc, kOpen, kRead, kWrite, kRename, kSync, kThread, kKinds };
constexpr const char* kNames[kKinds] = {"alloc", "open", "read", "write", "rename", "sync", "thread"};

std::atomic<bool> armed{false};
std::atomic<long> calls[kKinds];
int wanted_kind = -1;
long wanted_call = 0;
bool all_later = false, kills = false;
char counts_file[4096];

// Whether this call is the one.
bool fails(Kind kind) {
  if (!armed.load(std::memory_order_relaxed)) return false;
  const long call = calls[kind].fetch_add(1) + 1;
  if (kind != wanted_kind || (all_later ? call < wanted_call : call != wanted_call)) return false;
  if (kills) ::kill(::getpid(), SIGKILL);
  return true;
}

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

void read_wishes() {
  if (const char* wish = std::getenv("SHRIKE_FAULT")) {
    char kind[16] = "", rest[16] = "";
    std::sscanf(wish, "%15s %ld%15[ +a-z]", kind, &wanted_call, rest);
    for (int i = 0; i < kKinds; ++i) {
      if (std::strcmp(kind, kNames[i]) == 0) wanted_kind = i;
    }
    all_later = std::strchr(rest, '+') != nullptr;
    kills = std::strstr(rest, "kill") != nullptr;
  }
  if (const char* file = std::getenv("SHRIKE_FAULT_COUNTS"))
    std::snprintf(counts_file, sizeof counts_file, "%s", file);
}

int (*real_main)(int, char**, char**);

int armed_main(int count, char** arguments, char** environment) {
  read_wishes();
  armed = true;
  return real_main(count, arguments, environment);
}

__attribute__((destructor)) void tell_counts() {
  armed = false;
  if (counts_file[0] == '\0') return;
  char text[512];
  int size = 0;
  for (int i = 0; i < kKinds; ++i)
    size += std::snprintf(text + size, sizeof text - static_cast<size_t>(size), "%s %ld\n", kNames[i],
                          calls[i].load());
  const int file =
      next<int (*)(const char*, int, ...)>("open")(counts_file, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (next<ssize_t (*)(int, const void*, size_t)>("write")(file, text, static_cast<size_t>(size)) < 0)
    ::abort();
  ::close(file);
}

template <typename Result>
Result fail_with(int error, Result result) {
  errno = error;
  return result;
}

int open_with(const char* name, const char* path, int flags, mode_t mode) {
  if (fails(kOpen)) return fail_with(EMFILE, -1);
  return next<int (*)(const char*, int, mode_t)>(name)(path, flags, mode);
}

mode_t mode_of(int flags, va_list rest) {
  return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
}

}  // namespace

extern "C" {

int __libc_start_main(int (*main)(int, char**, char**), int count, char** arguments, void (*init)(),
                      void (*fini)(), void (*linker_fini)(), void* stack_end) {
  real_main = main;
  using Start = int (*)(int (*)(int, char**, char**), int, char**, void (*)(), void (*)(), void (*)(), void*);
  return next<Start>("__libc_start_main")(armed_main, count, arguments, init, fini, linker_fini, stack_end);
}

void* malloc(size_t bytes) {
  return fails(kAlloc) ? fail_with<void*>(ENOMEM, nullptr) : __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  return fails(kAlloc) ? fail_with<void*>(ENOMEM, nullptr) : __libc_calloc(count, bytes);
}
void* realloc(void* old, size_t bytes) {
  return fails(kAlloc) ? fail_with<void*>(ENOMEM, nullptr) : __libc_realloc(old, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  return fails(kAlloc) ? fail_with<void*>(ENOMEM, nullptr) : __libc_memalign(alignment, bytes);
}
int posix_memalign(void** place, size_t alignment, size_t bytes) {
  if (fails(kAlloc)) return ENOMEM;
  *place = __libc_memalign(alignment, bytes);
  return *place == nullptr ? ENOMEM : 0;
}

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_with("open", path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_with("open64", path, flags, mode);
}
FILE* fopen(const char* path, const char* mode) {
  if (fails(kOpen)) return fail_with<FILE*>(EMFILE, nullptr);
  return next<FILE* (*)(const char*, const char*)>("fopen")(path, mode);
}
FILE* fopen64(const char* path, const char* mode) {
  if (fails(kOpen)) return fail_with<FILE*>(EMFILE, nullptr);
  return next<FILE* (*)(const char*, const char*)>("fopen64")(path, mode);
}

ssize_t read(int file, void* bytes, size_t count) {
  if (fails(kRead)) return fail_with<ssize_t>(EIO, -1);
  return next<ssize_t (*)(int, void*, size_t)>("read")(file, bytes, count);
}
ssize_t write(int file, const void* bytes, size_t count) {
  if (fails(kWrite)) return fail_with<ssize_t>(ENOSPC, -1);
  return next<ssize_t (*)(int, const void*, size_t)>("write")(file, bytes, count);
}

int rename(const char* from, const char* to) noexcept {
  if (fails(kRename)) return fail_with(EIO, -1);
  return next<int (*)(const char*, const char*)>("rename")(from, to);
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) noexcept {
  if (fails(kRename)) return fail_with(EIO, -1);
  return next<int (*)(int, const char*, int, const char*, unsigned)>("renameat2")(from_folder, from,
                                                                                  to_folder, to, flags);
}

int fsync(int file) {
  return fails(kSync) ? fail_with(EIO, -1) : next<int (*)(int)>("fsync")(file);
}
int fdatasync(int file) {
  return fails(kSync) ? fail_with(EIO, -1) : next<int (*)(int)>("fdatasync")(file);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*work)(void*),
                   void* argument) noexcept {
  if (fails(kThread)) return EAGAIN;
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  return next<Create>("pthread_create")(thread, attributes, work, argument);
}

}  // extern "C"
