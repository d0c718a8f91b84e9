/* SPDX-License-Identifier: MIT
 * The main job: one process makes a storage, another one opens it from plain bytes and sees the same memory.
 * cc -std=c99 main_job.c $(pkg-config --cflags --libs shmalloc) && ./a.out */
#define _POSIX_C_SOURCE 200809L
#include <shmalloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what, const shmalloc_error *err) {
  fprintf(stderr, "%s: %s: %s\n", what, shmalloc_status_name(err->status), err->message);
  return 1;
}

/* The other process: it was forked before the storage existed, so all it has of it are the bytes that come through the pipe. */
static int receive(int from) {
  shmalloc_storage *s;
  shmalloc_error err;
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  ssize_t length = read(from, handle, sizeof handle);
  if (length <= 0) return 1;
  if (shmalloc_storage_import(handle, (size_t)length, NULL, 0, NULL, &s, &err) != SHMALLOC_STATUS_OK) return fail("import", &err);
  int same = strcmp(shmalloc_storage_data(s), "hello") == 0;
  printf("the other process reads: %s\n", (const char *)shmalloc_storage_data(s));
  shmalloc_storage_release(s);
  return same ? 0 : 1;
}

/* This process: four calls, and a pipe in place of whatever you send bytes by. */
static int give(int to) {
  shmalloc_storage *s;
  shmalloc_error err;
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  if (shmalloc_storage_create(NULL, 1 << 20, SHMALLOC_STREAM_DEFAULT, NULL, &s, &err) != SHMALLOC_STATUS_OK)
    return fail("create", &err);
  strcpy(shmalloc_storage_data(s), "hello");
  if (shmalloc_storage_export(s, NULL, handle, &length, &err) != SHMALLOC_STATUS_OK) return fail("export", &err);
  int sent = write(to, handle, length) == (ssize_t)length;
  close(to);
  int status = 1;
  wait(&status); /* the bytes open nothing any more once this process is gone */
  shmalloc_storage_release(s);
  return sent && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

int main(void) {
  int ends[2];
  if (pipe(ends) != 0) return 1;
  pid_t child = fork();
  if (child < 0) return 1;
  close(ends[child == 0 ? 1 : 0]);
  return child == 0 ? receive(ends[0]) : give(ends[1]);
}
