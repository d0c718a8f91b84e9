-- Opens the buffer of another process, and changes it where it lies.
--   lua5.4 changer.lua HANDLE_TEXT
local shmalloc = require 'shmalloc'

local buffer <close> = shmalloc.open(arg[1])
print('the other process reads: ' .. buffer:read(1, 5))
buffer[1] = string.byte('J')
buffer:write(9, string.pack('<i8', -12345678901))
