-- The module in one process.
local shmalloc = require 'shmalloc'

-- The call fails, and its message says this.
local function fails(word, call, ...)
  local good, message = pcall(call, ...)
  assert(not good, 'nothing failed, which should have said ' .. word)
  assert(string.find(message, word, 1, true), message .. ' does not say ' .. word)
end

local before = shmalloc.live()
do
  local buffer <close> = shmalloc.make(100)
  assert(#buffer == 100 and shmalloc.live() == before + 1)
  assert(tostring(buffer) == 'shmalloc.buffer of 100 bytes')

  -- By number.
  assert(buffer[1] == 0 and buffer[100] == 0 and buffer[0] == nil and buffer[101] == nil)
  buffer[100] = 255
  assert(buffer[100] == 255)
  fails('outside', function() buffer[101] = 1 end)
  fails('outside', function() buffer[0] = 1 end)
  fails('0 to 255', function() buffer[1] = 256 end)
  fails('integer', function() buffer[1.5] = 1 end)

  -- By string.
  buffer:write(1, 'a\0b')
  assert(buffer:read(1, 3) == 'a\0b' and #buffer:read() == 100 and buffer:read(5, 4) == '')
  buffer:write(101, '')
  fails('outside', buffer.write, buffer, 99, 'abc')
  fails('outside', buffer.write, buffer, math.mininteger, 'abc')
  fails('outside', buffer.read, buffer, 0)
  fails('outside', buffer.read, buffer, 1, 101)

  -- The same memory a second time.
  local other = shmalloc.open(buffer:text())
  other[1] = 7
  assert(buffer[1] == 7 and #other == 100)
  other:release()
  other:release()
  fails('CLOSED', function() return #other end)
  assert(tostring(other) == 'shmalloc.buffer, released')
end
assert(shmalloc.live() == before)

-- Reading is all that a read-only handle is good for.
do
  local buffer <close> = shmalloc.make(100, true)
  local view <close> = shmalloc.open(buffer:text(true))
  buffer:write(1, 'seen')
  assert(view:read(1, 4) == 'seen')
  fails('PERMISSION', function() view[1] = 1 end)
  fails('PERMISSION', view.write, view, 1, 'x')
end

-- What nobody uses any more the collector gives back, though it only puts it on a list.
for _ = 1, 1000 do shmalloc.make(1000) end
collectgarbage()
assert(shmalloc.live() == before, shmalloc.live())

-- What comes in the way of an error is given back too.
fails('here', function()
  local buffer <close> = shmalloc.make(10)
  error('here')
end)
assert(shmalloc.live() == before)

fails('CORRUPT', shmalloc.open, 'nonsense')
fails('zero byte', shmalloc.open, 'shmalloc1:\0')
fails('not negative', shmalloc.make, -1)
fails('CORRUPT', shmalloc.open, 'shmalloc1:' .. string.rep('A', 4000))
fails('shmalloc.buffer', shmalloc.make(1).text, io.stdout)
print('ok')
