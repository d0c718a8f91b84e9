/* Makes a storage that begins with PyTorch's count, which the tool can't, prints its handle, and holds it until standard input ends. */
#include <shmalloc.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  shmalloc_allocator_params how = SHMALLOC_INIT(shmalloc_allocator_params);
  how.kind = SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED;
  how.config = argc > 1 ? argv[1] : NULL;
  shmalloc_allocator *allocator = NULL;
  shmalloc_storage *storage = NULL;
  shmalloc_error err;
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  char text[SHMALLOC_HANDLE_TEXT_MAX];
  size_t length = sizeof handle;
  size_t text_length = sizeof text;
  if (shmalloc_allocator_create(&how, &allocator, &err) != SHMALLOC_STATUS_OK ||
      shmalloc_storage_create(allocator, 5, SHMALLOC_STREAM_DEFAULT, NULL, &storage, &err) != SHMALLOC_STATUS_OK ||
      shmalloc_storage_export(storage, NULL, handle, &length, &err) != SHMALLOC_STATUS_OK ||
      shmalloc_handle_to_text(handle, length, text, &text_length, &err) != SHMALLOC_STATUS_OK) {
    fprintf(stderr, "%s\n", err.message);
    return 1;
  }
  memcpy(shmalloc_storage_data(storage), "hello", 5);
  puts(text);
  fflush(stdout);
  while (getchar() != EOF) {
  }
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(allocator);
  return 0;
}
