#include "toolchain/system/calls.h"

#include <windows.h>
// Needs the one above.
#include <fcntl.h>
#include <io.h>

#include <algorithm>
#include <cerrno>

#include "toolchain/system/windows/wide.h"

namespace shrike {
namespace {

using windows::set_errno;
using windows::to_wide;

// As on Linux: an open file may be renamed and removed. What Windows refuses all the same is to give its name
// to another.
constexpr DWORD kShareAll = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

// The C library moves no more than an int's worth of bytes at once.
constexpr size_t kMostAtOnce = 1u << 30;

// A lock hides the locked bytes from other programs on Windows: this one lies behind the end of every file.
constexpr DWORD kLockedHigh = 0x40000000;

HANDLE handle_of(int file) {
  return reinterpret_cast<HANDLE>(::_get_osfhandle(file));
}

bool done(BOOL result) {
  if (!result) set_errno(::GetLastError());
  return result != 0;
}

FileIdentity identity_in(const BY_HANDLE_FILE_INFORMATION& info) {
  return {info.dwVolumeSerialNumber, uint64_t{info.nFileIndexHigh} << 32 | info.nFileIndexLow};
}

Descriptor descriptor_of(HANDLE handle, int flags) {
  if (handle == INVALID_HANDLE_VALUE) {
    set_errno(::GetLastError());
    return Descriptor();
  }
  const int file = ::_open_osfhandle(reinterpret_cast<intptr_t>(handle), flags | _O_BINARY | _O_NOINHERIT);
  if (file < 0) ::CloseHandle(handle);
  return Descriptor(file);
}

std::optional<calls::OpenFile> look_at_handle(HANDLE handle) {
  using Kind = calls::OpenFile::Kind;
  const DWORD type = ::GetFileType(handle);
  if (type == FILE_TYPE_CHAR) return calls::OpenFile{{}, Kind::kDevice, 0};
  if (type == FILE_TYPE_PIPE) return calls::OpenFile{{}, Kind::kOther, 0};
  BY_HANDLE_FILE_INFORMATION info = {};
  if (!done(::GetFileInformationByHandle(handle, &info))) return std::nullopt;
  const bool folder = (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  const uint64_t bytes = uint64_t{info.nFileSizeHigh} << 32 | info.nFileSizeLow;
  return calls::OpenFile{identity_in(info), folder ? Kind::kFolder : Kind::kFile, folder ? 0 : bytes};
}

OVERLAPPED at_place(int64_t place) {
  OVERLAPPED where = {};
  where.Offset = static_cast<DWORD>(place);
  where.OffsetHigh = static_cast<DWORD>(place >> 32);
  return where;
}

// Programs that look at every new file (virus scanners, indexers) keep it open for a moment.
template <typename Call>
bool patiently(const Call& call) {
  constexpr int kAttempts = 10;
  constexpr DWORD kPause = 30;  // milliseconds
  for (int attempt = 1;; ++attempt) {
    if (call()) return true;
    const DWORD error = ::GetLastError();
    const bool may_pass = error == ERROR_SHARING_VIOLATION || error == ERROR_ACCESS_DENIED;
    if (attempt == kAttempts || !may_pass) {
      set_errno(error);
      return false;
    }
    ::Sleep(kPause);
  }
}

}  // namespace

char between_paths() {
  return ';';  // a drive has a colon
}

// Renaming returns when the names are on the disk (MOVEFILE_WRITE_THROUGH).
void sync_folder_of(const std::string&) {}

std::optional<FoundFile> find_file(const std::string& path) {
  // Folders open with backup semantics only.
  const HANDLE handle = ::CreateFileW(to_wide(path).c_str(), FILE_READ_ATTRIBUTES, kShareAll, nullptr,
                                      OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr);
  if (handle == INVALID_HANDLE_VALUE) {
    set_errno(::GetLastError());
    return std::nullopt;
  }
  const std::optional<calls::OpenFile> file = look_at_handle(handle);
  ::CloseHandle(handle);
  if (!file) return std::nullopt;
  using Kind = FoundFile::Kind;
  using Opened = calls::OpenFile::Kind;
  const Kind kind = file->kind == Opened::kFile     ? Kind::kRegular
                    : file->kind == Opened::kFolder ? Kind::kFolder
                                                    : Kind::kOther;
  return FoundFile{file->identity, kind};
}

namespace calls {

Descriptor open(const std::string& path, Opening how) {
  DWORD access = GENERIC_READ, creation = OPEN_EXISTING, attributes = FILE_ATTRIBUTE_NORMAL;
  int flags = _O_RDONLY;
  switch (how) {
    case Opening::kRead:
      attributes = FILE_FLAG_BACKUP_SEMANTICS;
      break;
    case Opening::kReadName:
      attributes = FILE_FLAG_OPEN_REPARSE_POINT;
      break;
    case Opening::kCreate:
      access = GENERIC_WRITE;
      creation = OPEN_ALWAYS;
      flags = _O_WRONLY;
      break;
    case Opening::kAppend:
      access = GENERIC_READ | GENERIC_WRITE;
      creation = OPEN_ALWAYS;
      flags = _O_RDWR | _O_APPEND;
      break;
    case Opening::kInto:
      access = GENERIC_WRITE;
      flags = _O_WRONLY;
  }
  return descriptor_of(
      ::CreateFileW(to_wide(path).c_str(), access, kShareAll, nullptr, creation, attributes, nullptr), flags);
}

Descriptor duplicate(int file) {
  return Descriptor(::_dup(file));
}

Descriptor open_nameless() {
  wchar_t folder[MAX_PATH + 1], name[MAX_PATH + 1];
  if (::GetTempPathW(MAX_PATH + 1, folder) == 0 || ::GetTempFileNameW(folder, L"shr", 0, name) == 0) {
    set_errno(::GetLastError());
    return Descriptor();
  }
  return descriptor_of(::CreateFileW(name, GENERIC_READ | GENERIC_WRITE, kShareAll, nullptr, CREATE_ALWAYS,
                                     FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, nullptr),
                       _O_RDWR);
}

void close(int file) {
  ::_close(file);
}

std::optional<OpenFile> look_at(int file) {
  return look_at_handle(handle_of(file));
}

int64_t read(int file, void* bytes, size_t count) {
  return ::_read(file, bytes, static_cast<unsigned>(std::min(count, kMostAtOnce)));
}

int64_t write(int file, const void* bytes, size_t count) {
  return ::_write(file, bytes, static_cast<unsigned>(std::min(count, kMostAtOnce)));
}

int64_t read_at(int file, void* bytes, size_t count, int64_t place) {
  OVERLAPPED where = at_place(place);
  DWORD moved = 0;
  const BOOL read =
      ::ReadFile(handle_of(file), bytes, static_cast<DWORD>(std::min(count, kMostAtOnce)), &moved, &where);
  if (!read && ::GetLastError() == ERROR_HANDLE_EOF) return 0;
  return done(read) ? int64_t{moved} : -1;
}

int64_t write_at(int file, const void* bytes, size_t count, int64_t place) {
  OVERLAPPED where = at_place(place);
  DWORD moved = 0;
  const BOOL written =
      ::WriteFile(handle_of(file), bytes, static_cast<DWORD>(std::min(count, kMostAtOnce)), &moved, &where);
  return done(written) ? int64_t{moved} : -1;
}

bool cut(int file, uint64_t bytes) {
  FILE_END_OF_FILE_INFO end = {};
  end.EndOfFile.QuadPart = static_cast<LONGLONG>(bytes);
  return done(::SetFileInformationByHandle(handle_of(file), FileEndOfFileInfo, &end, sizeof end));
}

bool sync_content(int file) {
  return sync(file);
}

bool sync(int file) {
  return done(::FlushFileBuffers(handle_of(file)));
}

Lock lock(int file) {
  OVERLAPPED where = {};
  where.OffsetHigh = kLockedHigh;
  constexpr DWORD kNow = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
  if (::LockFileEx(handle_of(file), kNow, 0, 1, 0, &where)) return Lock::kTaken;
  const DWORD error = ::GetLastError();
  set_errno(error);
  return error == ERROR_LOCK_VIOLATION || error == ERROR_IO_PENDING ? Lock::kSomebodys : Lock::kImpossible;
}

// Devices; who may not write there is told when he does.
bool may_be_written(const std::string&) {
  return true;
}

bool remove(const std::string& path) {
  return done(::DeleteFileW(to_wide(path).c_str()));
}

bool rename(const std::string& from, const std::string& to) {
  const std::wstring source = to_wide(from), target = to_wide(to);
  constexpr DWORD kHow = MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH;
  if (patiently([&] { return ::MoveFileExW(source.c_str(), target.c_str(), kHow); })) return true;
  // Windows denies access to a file in use with the same words as to one that may not be written.
  const DWORD attributes = ::GetFileAttributesW(target.c_str());
  const bool writable = attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_READONLY) == 0;
  if (errno == EACCES && writable) errno = EBUSY;
  return false;
}

// The second file gets another name beside its own, which loses nothing; then `first` takes its place in one
// step. A process that is killed between leaves that other name, which remove_abandoned_partials() knows.
bool exchange(const std::string& first, const std::string& second) {
  if (!find_file(second)) return false;
  const size_t ending = first.rfind('.');
  const std::string other = first.substr(0, ending) + "-0" + first.substr(std::min(ending, first.size()));
  const std::wstring kept = to_wide(other);
  ::DeleteFileW(kept.c_str());
  if (!::CreateHardLinkW(kept.c_str(), to_wide(second).c_str(), nullptr)) {
    errno = EOPNOTSUPP;  // FAT has no such names
    return false;
  }
  if (!rename(first, second)) {
    const int error = errno;
    ::DeleteFileW(kept.c_str());
    errno = error;
    return false;
  }
  rename(other, first);  // else it is left as that of a killed process
  return true;
}

// The new file has the rights that its folder gives.
void make_like(int, const FoundFile&) {}

}  // namespace calls
}  // namespace shrike
