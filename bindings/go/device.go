package shmalloc

// #include "shim.h"
import "C"

// Device says where memory is: a type in the high 32 bits, an index in the low ones. 0 is plain host memory, and all that this version has.
type Device uint64

// NewDevice is the number of a device.
func NewDevice(kind DeviceType, index uint32) Device { return Device(uint64(kind)<<32 | uint64(index)) }

// DeviceInfo describes a device.
type DeviceInfo struct {
	Name         string
	Device       Device
	Total        uint64 // bytes of memory; of the host: RAM, or its control group's limit if that is less
	Available    uint64 // bytes of it that can be had now
	PageSize     uint64
	Count        uint32 // devices of this type
	Capabilities CapabilityFlags
}

// Info says what a device is and offers.
func (d Device) Info() (DeviceInfo, error) {
	f := newFrame()
	defer f.done()
	raw := C.shmalloc_device_info{struct_size: C.sizeof_shmalloc_device_info}
	if err := f.check(C.shmalloc_device_get_info(C.shmalloc_device(d), &raw, &f.err)); err != nil {
		return DeviceInfo{}, err
	}
	return DeviceInfo{
		Name: C.GoString(&raw.name[0]), Device: Device(raw.device), Total: uint64(raw.total), Available: uint64(raw.available),
		PageSize: uint64(raw.page_size), Count: uint32(raw.count), Capabilities: CapabilityFlags(raw.capabilities),
	}, nil
}
