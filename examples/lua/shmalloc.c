/* SPDX-License-Identifier: MIT
 * shmalloc for Lua 5.4, and an example of how a runtime written in C takes it in; docs/guides/lua.md goes through it.
 *
 *   local shmalloc = require 'shmalloc'
 *   local buffer <close> = shmalloc.make(4096)     bytes that other processes can open
 *   buffer:write(1, 'hello'); buffer[6] = 33       by string and by number; positions count from 1, as in Lua's strings
 *   local text = buffer:text()                     elsewhere: shmalloc.open(text) */
#include <lauxlib.h>
#include <lua.h>
#include <shmalloc.h>
#include <string.h>

#define BUFFER "shmalloc.buffer"

/* What a Lua object is made of: a reference, and a pin, so that the bytes stay at one address for as long as the object lives. */
typedef struct buffer {
  shmalloc_storage *storage; /* NULL: released */
  uint8_t *data;
  size_t size;
  shmalloc_access access; /* as it was pinned */
} buffer;

/* ---- errors ---- */

/* Lua's errors jump out of C, so nothing that must be given back may be held by C alone when this is called. */
static void check(lua_State *L, shmalloc_status status, const shmalloc_error *err) {
  if (status != SHMALLOC_STATUS_OK) luaL_error(L, "%s: %s", shmalloc_status_name(status), err->message);
}

static buffer *to_buffer(lua_State *L, int index) {
  buffer *self = luaL_checkudata(L, index, BUFFER);
  if (self->storage == NULL) luaL_error(L, "CLOSED: this buffer was released");
  return self;
}

static buffer *to_writable(lua_State *L, int index) {
  buffer *self = to_buffer(L, index);
  if (self->access != SHMALLOC_ACCESS_WRITE) luaL_error(L, "PERMISSION: this buffer is read-only");
  return self;
}

/* ---- from where ---- */

/* An empty object first: from here on Lua's collector gives back whatever gets into it, wherever an error comes from. */
static buffer *new_buffer(lua_State *L) {
  buffer *self = lua_newuserdatauv(L, sizeof *self, 0);
  memset(self, 0, sizeof *self);
  luaL_setmetatable(L, BUFFER);
  return self;
}

/* Takes the reference over on every path. */
static int filled(lua_State *L, buffer *self, shmalloc_storage *storage) {
  shmalloc_error err;
  void *data = NULL;
  shmalloc_access access = SHMALLOC_ACCESS_WRITE;
  shmalloc_status status = shmalloc_storage_pin(storage, access, &data, &self->size, &err);
  if (status == SHMALLOC_STATUS_PERMISSION) {
    access = SHMALLOC_ACCESS_READ;
    status = shmalloc_storage_pin(storage, access, &data, &self->size, &err);
  }
  if (status != SHMALLOC_STATUS_OK) shmalloc_storage_release(storage);
  check(L, status, &err);
  self->storage = storage;
  self->data = data;
  self->access = access;
  return 1;
}

/* make(size [, isolated]): a new buffer, all 0; isolated ones can be exported so that others may only read. */
static int make(lua_State *L) {
  lua_Integer size = luaL_checkinteger(L, 1);
  luaL_argcheck(L, size >= 0, 1, "a size is not negative");
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  params.flags = SHMALLOC_STORAGE_ZEROED | (lua_toboolean(L, 2) ? SHMALLOC_STORAGE_ISOLATED : 0);
  buffer *self = new_buffer(L);
  shmalloc_storage *storage;
  shmalloc_error err;
  check(L, shmalloc_storage_create(NULL, (size_t)size, SHMALLOC_STREAM_DEFAULT, &params, &storage, &err), &err);
  return filled(L, self, storage);
}

/* open(text): the buffer that a text came from, in any process of the machine. */
static int open_text(lua_State *L) {
  size_t text_length;
  const char *text = luaL_checklstring(L, 1, &text_length);
  luaL_argcheck(L, strlen(text) == text_length, 1, "a zero byte in the text");
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  buffer *self = new_buffer(L);
  shmalloc_storage *storage;
  shmalloc_error err;
  check(L, shmalloc_handle_from_text(text, handle, &length, &err), &err);
  check(L, shmalloc_storage_import(handle, length, NULL, 0, NULL, &storage, &err), &err);
  return filled(L, self, storage);
}

/* ---- back ---- */

/* The collector may run in the middle of anything, so this does no work: both calls are leaves. The next call that may do so does it. */
static int collect(lua_State *L) {
  buffer *self = luaL_checkudata(L, 1, BUFFER);
  if (self->storage == NULL) return 0;
  shmalloc_storage_unpin(self->storage, self->access);
  shmalloc_release_deferred(self->storage);
  self->storage = NULL;
  return 0;
}

/* release(), and the end of a variable's scope: now. A second time nothing happens. */
static int release(lua_State *L) {
  buffer *self = luaL_checkudata(L, 1, BUFFER);
  if (self->storage == NULL) return 0;
  shmalloc_storage_unpin(self->storage, self->access);
  shmalloc_storage_release(self->storage);
  self->storage = NULL;
  return 0;
}

/* ---- to others ---- */

/* text([read_only]): for a command line, a file, a socket. Good as long as this process lives and holds the buffer, and a little longer. */
static int text(lua_State *L) {
  buffer *self = to_buffer(L, 1);
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  params.flags = lua_toboolean(L, 2) ? SHMALLOC_EXPORT_READ_ONLY : 0;
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  char room[SHMALLOC_HANDLE_TEXT_MAX];
  size_t length = sizeof handle, text_length = sizeof room;
  shmalloc_error err;
  check(L, shmalloc_storage_export(self->storage, &params, handle, &length, &err), &err);
  check(L, shmalloc_handle_to_text(handle, length, room, &text_length, &err), &err);
  lua_pushlstring(L, room, text_length - 1);
  return 1;
}

/* ---- the bytes ---- */

/* The offset of a position; it and `count` bytes from there must lie in the buffer. */
static size_t offset_of(lua_State *L, const buffer *self, int index, size_t count) {
  lua_Integer position = luaL_checkinteger(L, index);
  luaL_argcheck(L, position >= 1 && (lua_Unsigned)position - 1 <= self->size && count <= self->size - (size_t)(position - 1), index,
                "outside of the buffer");
  return (size_t)(position - 1);
}

/* read([from [, to]]): a copy, as a string. */
static int read_bytes(lua_State *L) {
  buffer *self = to_buffer(L, 1);
  lua_Integer from = luaL_optinteger(L, 2, 1), to = luaL_optinteger(L, 3, (lua_Integer)self->size);
  luaL_argcheck(L, from >= 1, 2, "outside of the buffer");
  luaL_argcheck(L, to <= (lua_Integer)self->size, 3, "outside of the buffer");
  if (from > to) {
    lua_pushliteral(L, "");
  } else {
    lua_pushlstring(L, (const char *)self->data + from - 1, (size_t)(to - from + 1));
  }
  return 1;
}

/* write(at, string) */
static int write_bytes(lua_State *L) {
  buffer *self = to_writable(L, 1);
  size_t length;
  const char *bytes = luaL_checklstring(L, 3, &length);
  size_t offset = offset_of(L, self, 2, length);
  if (length != 0) memcpy(self->data + offset, bytes, length);
  return 0;
}

/* buffer[position], buffer.method. As in a table, there is nil where nothing is. */
static int get(lua_State *L) {
  if (lua_type(L, 2) == LUA_TNUMBER) {
    buffer *self = to_buffer(L, 1);
    lua_Integer position = luaL_checkinteger(L, 2);
    if (position < 1 || (lua_Unsigned)position > self->size) return 0;
    lua_pushinteger(L, self->data[position - 1]);
  } else {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
  }
  return 1;
}

/* buffer[position] = byte */
static int set(lua_State *L) {
  buffer *self = to_writable(L, 1);
  size_t offset = offset_of(L, self, 2, 1);
  lua_Integer byte = luaL_checkinteger(L, 3);
  luaL_argcheck(L, byte >= 0 && byte <= 255, 3, "a byte is 0 to 255");
  self->data[offset] = (uint8_t)byte;
  return 0;
}

static int size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)to_buffer(L, 1)->size);
  return 1;
}

static int describe(lua_State *L) {
  buffer *self = luaL_checkudata(L, 1, BUFFER);
  char room[32];
  size_t length = sizeof room;
  shmalloc_error err;
  if (self->storage == NULL) return lua_pushliteral(L, "shmalloc.buffer, released"), 1;
  check(L, shmalloc_format_size(self->size, room, &length, &err), &err);
  lua_pushfstring(L, "shmalloc.buffer of %s", room);
  return 1;
}

/* ---- the module ---- */

/* How many storages of the current allocator are live, once what the collector put off is done: for tests. */
static int live(lua_State *L) {
  shmalloc_allocator_info info = SHMALLOC_INIT(shmalloc_allocator_info);
  shmalloc_error err;
  check(L, shmalloc_allocator_trim(NULL, SHMALLOC_TRIM_DEFERRED, 0, NULL, &err), &err);
  check(L, shmalloc_allocator_get_info(NULL, &info, &err), &err);
  lua_pushinteger(L, (lua_Integer)info.live_storages);
  return 1;
}

static const luaL_Reg methods[] = {
    {"text", text}, {"read", read_bytes}, {"write", write_bytes}, {"release", release}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__gc", collect}, {"__close", release},     {"__newindex", set},
                                       {"__len", size},   {"__tostring", describe}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"make", make}, {"open", open_text}, {"live", live}, {NULL, NULL}};

LUAMOD_API int luaopen_shmalloc(lua_State *L);
int luaopen_shmalloc(lua_State *L) {
  if (shmalloc_version() < SHMALLOC_VERSION)
    luaL_error(L, "the shmalloc library is version %s, older than this module needs", shmalloc_version_string());
  luaL_newmetatable(L, BUFFER);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_pushcclosure(L, get, 1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
