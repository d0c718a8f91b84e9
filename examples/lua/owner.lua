-- Makes a buffer, prints its handle, and when a line comes on its standard input shows what another process made of it.
--   lua5.4 owner.lua
local shmalloc = require 'shmalloc'

local buffer <close> = shmalloc.make(4096)
buffer:write(1, 'hello')
print(buffer:text())
io.stdout:flush()

io.read()
print('the owner reads: ' .. buffer:read(1, 5) .. ', and ' .. string.unpack('<i8', buffer:read(9, 16)))
