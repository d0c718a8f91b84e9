module shmalloc

go 1.19
