/* A bad disk and a bad clock for one process: preloaded into the server by the tests, it stands between the server and
 * libc. It obeys a page of numbers that the test maps too (FAULTS_CONTROL), and touches only files below FAULTS_ROOT.
 *
 * The image. With IMAGE set, FAULTS_IMAGE holds what a disk would hold after a power cut: of every file the bytes as of
 * its last fsync (`f-INODE`), of every folder its entries as of its last fsync (`d-INODE`). Nothing is really synced
 * then: the image is the disk. The test puts the data folder together from it, after a SIGKILL. Files that are removed
 * or replaced keep a second name in the image, so that their number is not given to another one.
 *
 * What it does not see: memory-mapped files. SQLite maps its index of the log, which it makes anew after a crash. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* The order is that of FIELDS in faults.py. */
enum field {
    FSYNC_FAILS,   /* so many matching fsyncs fail; what they should have written is lost for good */
    FSYNC_ERRNO,
    FSYNC_HOLD,    /* matching fsyncs wait as long as this is set */
    FSYNC_WAITING, /* how many wait now */
    FSYNC_LIES,    /* matching fsyncs say yes and do nothing */
    FSYNCS,        /* fsyncs that said yes */
    FSYNC_FAILED,
    WRITE_ROOM,    /* bytes by which matching files may still grow; below zero: no limit */
    WRITE_ERRNO,   /* what is said when there is no room */
    WRITE_NEVER,   /* matching writes fail, also those that need no room */
    WRITE_FAILED,
    CREATE_ERRNO,  /* making a file or a folder fails with it */
    CREATE_FAILED,
    CLOCK_OFFSET,  /* wall time, nanoseconds */
    CLOCK_FROZEN,  /* wall time stands still here, nanoseconds */
    CLOCK_READS,
    THREAD_ERRNO,  /* starting a thread fails with it */
    THREAD_FAILED,
    IMAGE,
    FIELDS,
};
#define PAGE 4096
#define FSYNC_MATCH 2048 /* part of the path, or its end before a `$`; empty: every file below the root */
#define WRITE_MATCH 2560

static _Atomic int64_t *control;
static const char *root, *image;
static char parent[PATH_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* libc's own. */
static void *find(void **place, const char *name) {
    if (!*place) *place = dlsym(RTLD_NEXT, name);
    return *place;
}
#define REAL(name) ((__typeof__(name) *)find(&real_##name, #name))
static void *real_fsync, *real_fdatasync, *real_write, *real_pwrite64, *real_ftruncate64, *real_open, *real_open64;
static void *real_openat, *real_openat64, *real_mkdir, *real_rename, *real_unlink, *real_clock_gettime, *real_pthread_create;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("FAULTS_CONTROL");
    root = getenv("FAULTS_ROOT");
    image = getenv("FAULTS_IMAGE");
    if (!file || !root || !image) return;
    snprintf(parent, sizeof parent, "%s", root);
    *strrchr(parent, '/') = 0;
    int fd = REAL(open)(file, O_RDWR);
    void *page = fd < 0 ? MAP_FAILED : mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
        perror("faults");
        _exit(97);
    }
    control = page;
}

static int64_t get(enum field field) { return control ? atomic_load(&control[field]) : 0; }
static void count(enum field field) { atomic_fetch_add(&control[field], 1); }
static int fail(enum field counter, int error) {
    count(counter);
    errno = error;
    return -1;
}

/* One of those that are left, if any is. */
static int take(enum field field) {
    int64_t left = atomic_load(&control[field]);
    while (left > 0)
        if (atomic_compare_exchange_weak(&control[field], &left, left - 1)) return 1;
    return 0;
}

static int below_root(const char *path) {
    size_t length = strlen(root);
    return !strncmp(path, root, length) && (path[length] == '/' || !path[length]);
}

static int matches(const char *path, int at) {
    const char *part = (const char *)control + at;
    size_t size = strlen(part), length = strlen(path);
    if (!below_root(path)) return 0;
    if (size && part[size - 1] == '$') return length >= size - 1 && !strncmp(path + length - (size - 1), part, size - 1);
    return !size || strstr(path, part) != 0;
}

/* The path of an open file that is ours, or 0. */
static int path_of(int fd, char *path, struct stat *is) {
    if (!control || fstat(fd, is) || !(S_ISREG(is->st_mode) || S_ISDIR(is->st_mode))) return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return below_root(path) || !strcmp(path, parent);
}

/* ---- the image */

struct range {
    off_t from, to;
};
/* What of a file is not in the image. */
struct file {
    ino_t inode;
    size_t used, size;
    struct range *dirty;
    struct file *next;
};
#define BUCKETS 256
static struct file *files[BUCKETS];

static void kept(char *name, const char *kind, ino_t inode) {
    snprintf(name, PATH_MAX, "%s/%s-%llu", image, kind, (unsigned long long)inode);
}

static void touch(struct file *file, off_t from, off_t to) {
    struct range *last = file->used ? &file->dirty[file->used - 1] : 0;
    if (last && last->to == from) {
        last->to = to;
        return;
    }
    if (file->used == file->size) {
        file->size = file->size ? file->size * 2 : 16;
        file->dirty = realloc(file->dirty, file->size * sizeof *file->dirty);
        if (!file->dirty) abort();
    }
    file->dirty[file->used++] = (struct range){from, to};
}

/* A file that this process has not met is dirty as a whole, unless an fsync failed on it: then the kernel takes it for
 * clean although the disk does not have it. */
static struct file *file_of(ino_t inode) {
    struct file **place = &files[inode % BUCKETS];
    while (*place && (*place)->inode != inode) place = &(*place)->next;
    if (!*place) {
        char lost[PATH_MAX];
        kept(lost, "lost", inode);
        *place = calloc(1, sizeof **place);
        if (!*place) abort();
        (*place)->inode = inode;
        if (access(lost, F_OK)) touch(*place, 0, INT64_MAX);
    }
    return *place;
}

/* Locks of a file are lost where any of its descriptors is closed: another one is opened only where `fd` cannot read. */
static void save_file(int fd, const struct stat *is) {
    char name[PATH_MAX], buffer[1 << 16];
    kept(name, "f", is->st_ino);
    int to = REAL(open)(name, O_WRONLY | O_CREAT, 0600), from = fd;
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        from = REAL(open)(name, O_RDONLY);
    }
    struct file *file = file_of(is->st_ino);
    struct stat now;
    if (to < 0 || from < 0 || fstat(fd, &now)) abort();
    for (size_t i = 0; i < file->used; i++) {
        off_t end = file->dirty[i].to < now.st_size ? file->dirty[i].to : now.st_size;
        for (off_t at = file->dirty[i].from; at < end;) {
            size_t most = end - at < (off_t)sizeof buffer ? (size_t)(end - at) : sizeof buffer;
            ssize_t got = pread(from, buffer, most, at);
            if (got <= 0) break;
            if (REAL(pwrite64)(to, buffer, got, at) != got) abort();
            at += got;
        }
    }
    file->used = 0;
    if (REAL(ftruncate64)(to, now.st_size)) abort();
    close(to);
    if (from != fd) close(from);
}

static void save_folder(const char *path, const struct stat *is) {
    char name[PATH_MAX], new[PATH_MAX + 8];
    kept(name, "d", is->st_ino);
    snprintf(new, sizeof new, "%s.new", name);
    DIR *folder = opendir(path);
    FILE *list = fopen(new, "w");
    if (!folder || !list) abort();
    for (struct dirent *entry; (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            fprintf(list, "%llu %s\n", (unsigned long long)entry->d_ino, entry->d_name);
    closedir(folder);
    if (fclose(list) || REAL(rename)(new, name)) abort();
}

static void lose(ino_t inode) {
    char lost[PATH_MAX];
    kept(lost, "lost", inode);
    int fd = REAL(open)(lost, O_WRONLY | O_CREAT, 0600);
    if (fd >= 0) close(fd);
    file_of(inode)->used = 0;
}

/* A second name for what is about to lose its own. */
static void hold_on(const char *path) {
    struct stat is;
    if (!get(IMAGE) || !below_root(path) || lstat(path, &is) || !S_ISREG(is.st_mode)) return;
    char name[PATH_MAX];
    kept(name, "k", is.st_ino);
    if (link(path, name) && errno != EEXIST) abort();
}

static void written(ino_t inode, off_t from, off_t to) {
    if (!get(IMAGE)) return;
    pthread_mutex_lock(&lock);
    touch(file_of(inode), from, to);
    pthread_mutex_unlock(&lock);
}

/* ---- what the server calls */

static int sync_it(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    struct stat is;
    if (!path_of(fd, path, &is)) return real(fd);
    int hit = matches(path, FSYNC_MATCH);
    if (hit && get(FSYNC_HOLD)) {
        count(FSYNC_WAITING);
        while (get(FSYNC_HOLD)) nanosleep(&(struct timespec){0, 1000000}, 0);
        atomic_fetch_sub(&control[FSYNC_WAITING], 1);
    }
    if (hit && take(FSYNC_FAILS)) {
        pthread_mutex_lock(&lock);
        if (get(IMAGE) && S_ISREG(is.st_mode)) lose(is.st_ino);
        pthread_mutex_unlock(&lock);
        return fail(FSYNC_FAILED, (int)get(FSYNC_ERRNO));
    }
    int done = 0;
    if (get(IMAGE) && !(hit && get(FSYNC_LIES))) {
        pthread_mutex_lock(&lock);
        if (S_ISDIR(is.st_mode)) save_folder(path, &is);
        else save_file(fd, &is);
        pthread_mutex_unlock(&lock);
    } else if (!get(IMAGE)) {
        done = real(fd);
    }
    if (!done) count(FSYNCS);
    return done;
}

int fsync(int fd) { return sync_it(fd, REAL(fsync)); }
int fdatasync(int fd) { return sync_it(fd, REAL(fdatasync)); }

/* How much of a write to [at, at + size) the disk takes; -1 with errno. */
static ssize_t room(const char *path, const struct stat *is, off_t at, size_t size) {
    if (!matches(path, WRITE_MATCH)) return (ssize_t)size;
    if (get(WRITE_NEVER)) return fail(WRITE_FAILED, (int)get(WRITE_ERRNO));
    int64_t left = atomic_load(&control[WRITE_ROOM]), end = at + (int64_t)size, grows, fits;
    do {
        if (left < 0) return (ssize_t)size;
        grows = end > is->st_size ? end - (at > is->st_size ? at : is->st_size) : 0;
        fits = grows < left ? grows : left;
        if (grows > fits && (int64_t)size == grows - fits) return fail(WRITE_FAILED, (int)get(WRITE_ERRNO));
    } while (!atomic_compare_exchange_weak(&control[WRITE_ROOM], &left, left - fits));
    return (ssize_t)size - (grows - fits);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    char path[PATH_MAX];
    struct stat is;
    if (!path_of(fd, path, &is)) return REAL(pwrite64)(fd, bytes, size, at);
    ssize_t taken = room(path, &is, at, size);
    if (taken < 0) return -1;
    ssize_t done = REAL(pwrite64)(fd, bytes, taken, at);
    if (done > 0) written(is.st_ino, at, at + done);
    return done;
}
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }

ssize_t write(int fd, const void *bytes, size_t size) {
    char path[PATH_MAX];
    struct stat is;
    if (!path_of(fd, path, &is)) return REAL(write)(fd, bytes, size);
    off_t at = fcntl(fd, F_GETFL) & O_APPEND ? is.st_size : lseek(fd, 0, SEEK_CUR);
    ssize_t taken = room(path, &is, at, size);
    if (taken < 0) return -1;
    ssize_t done = REAL(write)(fd, bytes, taken);
    if (done > 0) written(is.st_ino, at, at + done);
    return done;
}

int ftruncate64(int fd, off64_t size) {
    char path[PATH_MAX];
    struct stat is;
    if (!path_of(fd, path, &is)) return REAL(ftruncate64)(fd, size);
    if (matches(path, WRITE_MATCH) && get(WRITE_NEVER)) return fail(WRITE_FAILED, (int)get(WRITE_ERRNO));
    int done = REAL(ftruncate64)(fd, size);
    if (!done && size > is.st_size) written(is.st_ino, is.st_size, size);
    return done;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

/* Whether this would make a file that may not be made. Paths that are not absolute are not ours. */
static int refused(const char *path, int flags) {
    return get(CREATE_ERRNO) && (flags & O_CREAT) && below_root(path) && access(path, F_OK);
}

static int opened(int fd, int flags) {
    char path[PATH_MAX];
    struct stat is;
    if (fd >= 0 && flags & O_TRUNC && path_of(fd, path, &is)) written(is.st_ino, 0, 0);
    return fd;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                                        \
        va_end(more);                                                                                                  \
        if (refused(path, flags)) return fail(CREATE_FAILED, (int)get(CREATE_ERRNO));                                  \
        return opened(REAL(name)(path, flags, mode), flags);                                                           \
    }
#define OPEN_AT(name)                                                                                                  \
    int name(int folder, const char *path, int flags, ...) {                                                           \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                                        \
        va_end(more);                                                                                                  \
        if (refused(path, flags)) return fail(CREATE_FAILED, (int)get(CREATE_ERRNO));                                  \
        return opened(REAL(name)(folder, path, flags, mode), flags);                                                   \
    }
OPEN(open)
OPEN(open64)
OPEN_AT(openat)
OPEN_AT(openat64)

int mkdir(const char *path, mode_t mode) {
    if (refused(path, O_CREAT)) return fail(CREATE_FAILED, (int)get(CREATE_ERRNO));
    return REAL(mkdir)(path, mode);
}

int rename(const char *from, const char *to) {
    hold_on(to);
    return REAL(rename)(from, to);
}

int unlink(const char *path) {
    hold_on(path);
    return REAL(unlink)(path);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int done = REAL(clock_gettime)(clock, time);
    if (done || !control || clock != CLOCK_REALTIME) return done;
    count(CLOCK_READS);
    int64_t now = time->tv_sec * INT64_C(1000000000) + time->tv_nsec + get(CLOCK_OFFSET);
    if (get(CLOCK_FROZEN)) now = get(CLOCK_FROZEN);
    time->tv_sec = now / 1000000000;
    time->tv_nsec = now % 1000000000;
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*begins)(void *), void *with) {
    if (get(THREAD_ERRNO)) {
        count(THREAD_FAILED);
        return (int)get(THREAD_ERRNO);
    }
    return REAL(pthread_create)(thread, how, begins, with);
}
