/*
 * Laid before the daemon's own C library (LD_PRELOAD): a clock of its own that the lab shifts, and that refuses to be
 * read once by a thread of a given name. Rust's standard library panics there, so the panic is real, and in that thread.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct order {
  _Atomic int64_t shift_seconds;
  _Atomic uint32_t refuse;
  char thread[16];
};

static struct order *order;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_gettimeofday)(struct timeval *, void *);

__attribute__((constructor)) static void begin(void) {
  real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  real_gettimeofday = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
  const char *path = getenv("LAB_CLOCK");
  if (!path) return;
  int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof(struct order), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) order = mapped;
  close(file);
}

static int is_refused(void) {
  char name[16] = "";
  if (!atomic_load(&order->refuse)) return 0;
  prctl(PR_GET_NAME, name);
  return strncmp(name, order->thread, sizeof name) == 0 && atomic_exchange(&order->refuse, 0);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  if (!real_clock_gettime) real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  if (order && is_refused()) {
    errno = EINVAL;
    return -1;
  }
  int result = real_clock_gettime(clock, at);
  if (order && result == 0 && clock == CLOCK_REALTIME) at->tv_sec += atomic_load(&order->shift_seconds);
  return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  if (!real_gettimeofday) real_gettimeofday = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
  int result = real_gettimeofday(at, zone);
  if (order && result == 0) at->tv_sec += atomic_load(&order->shift_seconds);
  return result;
}
