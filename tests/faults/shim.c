/* A failing disk and a stepping clock, between a process and its C library (LD_PRELOAD).
 *
 * SHIM_ROOT   the folder whose files fail; everything else is left alone.
 * SHIM_PAGE   a file mapped into every process, through which a test turns faults on and off while they run.
 * SHIM_SHADOW where to keep what a power cut would leave: the content of each file when it was last synced, and the
 *             names in each folder when that was. Unset: nothing is kept. What was written and not synced is not there.
 *
 * Files are told apart by inode and birth, since inodes are given out again. A copy is made before the real sync and
 * counts after it, so that it never holds more than what is certainly on the disk.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE, SYNC, OPEN, KINDS };

/* Laid out as tests/support/shim.py has it: 64-bit slots. A fault counts from passing number ``from`` to ``until``. */
struct page {
  _Atomic int64_t error[KINDS], from[KINDS], until[KINDS], seen[KINDS];
  _Atomic int64_t sync_sleep_ms, wall_offset_ns;
};

static struct page *page;
static const char *root, *shadow;
static size_t root_length;
static _Atomic long copies;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("SHIM_PAGE");
  root = getenv("SHIM_ROOT");
  shadow = getenv("SHIM_SHADOW");
  if (!path || !root) return;
  root_length = strlen(root);
  int file = REAL(open)(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void *found = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  page = found == MAP_FAILED ? NULL : found;
}

static int is_below_root(const char *path) {
  return page && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int path_of(int file, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  path[length > 0 ? length : 0] = 0;
  return length > 0 && is_below_root(path);
}

/* Return the error that this passing meets, 0 where it meets none. */
static int fault(int kind) {
  int64_t number = atomic_fetch_add(&page->seen[kind], 1);
  int error = (int)atomic_load(&page->error[kind]);
  return error && number >= atomic_load(&page->from[kind]) && number < atomic_load(&page->until[kind]) ? error : 0;
}

/* -- what a power cut leaves -------------------------------------------------------------------------------- */

static int identify(int file, char *name) {
  struct statx found;
  if (statx(file, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME | STATX_TYPE, &found)) return -1;
  sprintf(name, "%llu-%lld.%09u", (unsigned long long)found.stx_ino, (long long)found.stx_btime.tv_sec,
          found.stx_btime.tv_nsec);
  return S_ISDIR(found.stx_mode);
}

static void write_names(const char *path, FILE *into) {
  DIR *folder = opendir(path);
  struct dirent *entry;
  while (folder && (entry = readdir(folder))) {
    char name[96];
    int file = openat(dirfd(folder), entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) continue;
    int is_folder = identify(file, name);
    close(file);
    if (is_folder >= 0 && entry->d_name[0] != '.') fprintf(into, "%s %s %s\n", is_folder ? "d" : "f", name, entry->d_name);
  }
  if (folder) closedir(folder);
}

static void copy(const char *from, const char *to) {
  char buffer[1 << 16];
  int source = REAL(open)(from, O_RDONLY | O_CLOEXEC);
  int target = REAL(open)(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ssize_t got;
  while (source >= 0 && target >= 0 && (got = read(source, buffer, sizeof buffer)) > 0)
    if (REAL(write)(target, buffer, (size_t)got) != got) abort();
  close(source);
  close(target);
}

/* Make the copy that will count when the sync has succeeded. */
static int prepare(int file, const char *path, char *made, char *counts) {
  char name[96];
  int is_folder = identify(file, name);
  if (is_folder < 0) return 0;
  snprintf(counts, PATH_MAX, "%s/%s", shadow, name);
  snprintf(made, PATH_MAX, "%s/%s.%d.%ld", shadow, name, (int)getpid(), atomic_fetch_add(&copies, 1));
  if (!is_folder) {
    copy(path, made);
    return 1;
  }
  FILE *into = fopen(made, "we");
  if (!into) return 0;
  fprintf(into, "folder %s\n", path);
  write_names(path, into);
  fclose(into);
  return 1;
}

static int sync_with(int (*real)(int), int file) {
  char path[PATH_MAX], made[PATH_MAX], counts[PATH_MAX];
  if (!path_of(file, path)) return real(file);
  int64_t pause = atomic_load(&page->sync_sleep_ms);
  if (pause) nanosleep(&(struct timespec){pause / 1000, pause % 1000 * 1000000}, NULL);
  int error = fault(SYNC);
  if (error) return errno = error, -1;
  int is_kept = shadow && prepare(file, path, made, counts);
  int result = real(file);
  if (is_kept && result == 0) rename(made, counts);
  return result;
}

int fsync(int file) { return sync_with(REAL(fsync), file); }
int fdatasync(int file) { return sync_with(REAL(fdatasync), file); }

/* -- failing ------------------------------------------------------------------------------------------------ */

#define WRITES(name, declared, passed)                                             \
  ssize_t name declared {                                                          \
    char path[PATH_MAX];                                                           \
    int error = page && path_of(file, path) ? fault(WRITE) : 0;                    \
    return error ? (errno = error, -1) : REAL(name) passed;                        \
  }

WRITES(write, (int file, const void *data, size_t size), (file, data, size))
WRITES(pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
WRITES(pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
WRITES(writev, (int file, const struct iovec *parts, int count), (file, parts, count))

#define OPENS(name, declared, passed)                                              \
  int name declared {                                                              \
    va_list more;                                                                  \
    va_start(more, flags);                                                         \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;        \
    va_end(more);                                                                  \
    int error = page && is_below_root(path) ? fault(OPEN) : 0;                     \
    return error ? (errno = error, -1) : REAL(name) passed;                        \
  }

OPENS(open, (const char *path, int flags, ...), (path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENS(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
OPENS(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))

/* -- the clock on the wall; durations are none of its business ----------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = REAL(clock_gettime)(clock, now);
  if (result == 0 && page && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    int64_t whole = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + atomic_load(&page->wall_offset_ns);
    now->tv_sec = whole / 1000000000;
    now->tv_nsec = whole % 1000000000;
  }
  return result;
}

time_t time(time_t *into) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return into ? (*into = now.tv_sec) : now.tv_sec;
}

int gettimeofday(struct timeval *restrict into, void *restrict zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  into->tv_sec = now.tv_sec;
  into->tv_usec = now.tv_nsec / 1000;
  return 0;
}
