/* Has a server see the header of SQLite's WAL index as it was, whatever is committed: what `stale --bite` must find out.
   Loaded into a server before the C library. The first two reads pass: the server makes sure that it sees its own commit. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <sys/types.h>

enum { HEADER = 96, PASSING = 2 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char frozen[HEADER];
static int reads;

ssize_t pread64(int file, void *bytes, size_t count, off64_t offset)
{
    ssize_t (*pread_on)(int, void *, size_t, off64_t);
    *(void **)&pread_on = dlsym(RTLD_NEXT, "pread64");
    ssize_t got = pread_on(file, bytes, count, offset);
    /* Nothing else is read in a piece of this length. */
    if (count != HEADER || offset != 0 || got != HEADER)
        return got;
    pthread_mutex_lock(&lock);
    if (reads == PASSING)
        memcpy(frozen, bytes, HEADER);
    if (reads >= PASSING)
        memcpy(bytes, frozen, HEADER);
    if (reads <= PASSING)
        reads++;
    pthread_mutex_unlock(&lock);
    return got;
}
