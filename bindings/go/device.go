package shmalloc

// #include "shim.h"
import "C"

import "fmt"

// Device says where memory is: a type in the high 32 bits, an index in the low ones. 0 is plain host memory. A device is begun by the first
// call that needs it, and lasts as long as the process.
type Device uint64

// NewDevice is the number of a device.
func NewDevice(kind DeviceType, index uint32) Device { return Device(uint64(kind)<<32 | uint64(index)) }

// CUDADevice is a GPU, through its driver, which is looked for at run time.
func CUDADevice(index uint32) Device { return NewDevice(DeviceTypeCUDA, index) }

// HostStreamsDevice is this machine's memory as a device with streams and events, for machines without a GPU; index 0 to 63.
func HostStreamsDevice(index uint32) Device { return NewDevice(DeviceTypeHostStreams, index) }

// Type is the kind of device.
func (d Device) Type() DeviceType { return DeviceType(d >> 32) }

// Index is which one of its type it is.
func (d Device) Index() uint32 { return uint32(d) }

var deviceNames = map[DeviceType]string{
	DeviceTypeCUDA: "cuda", DeviceTypeVulkan: "vulkan", DeviceTypeHostStreams: "host_streams", DeviceTypeCustom: "custom",
}

// String is the device for people: "host", "cuda:0".
func (d Device) String() string {
	if d == DeviceHost {
		return "host"
	}
	name, known := deviceNames[d.Type()]
	if !known {
		name = fmt.Sprint("type ", int32(d.Type()))
	}
	return fmt.Sprintf("%s:%d", name, d.Index())
}

// Count is how many devices of this type can be had here; 0 also without their driver. Of your own devices DeviceInfo.Count of one of them
// tells.
func (t DeviceType) Count() (int, error) {
	info, err := NewDevice(t, 0).Info()
	if isStatus(err, StatusNotFound) || isStatus(err, StatusUnsupported) {
		return 0, nil
	}
	return int(info.Count), err
}

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

// Synchronize waits until all work is done that was queued on the device, on any stream. ErrBusy: a stream is being captured.
func (d Device) Synchronize() error {
	f := newFrame()
	defer f.done()
	return f.check(C.shmalloc_device_synchronize(C.shmalloc_device(d), &f.err))
}

// EnablePeer lets a peer's streams read and write this device's memory: what there is, and what comes.
func (d Device) EnablePeer(peer Device) error {
	f := newFrame()
	defer f.done()
	return f.check(C.shmalloc_device_enable_peer(C.shmalloc_device(d), C.shmalloc_device(peer), &f.err))
}

// Copy queues a copy by address on a stream of the device, nil: the default stream, between any two of the device's memory, its peers' and the
// host's. The ranges must not overlap, must last until it is done, and are not checked; Storage.CopyOn checks. Never memory of Go's, which
// moves and goes while the device still uses it.
func (d Device) Copy(to, from uint64, size int, stream *Stream) error {
	return d.queue(size, stream, func(on C.shmalloc_stream, f *frame) C.shmalloc_status {
		return C.shmalloc_device_copy(C.shmalloc_device(d), C.shmalloc_address(to), C.shmalloc_address(from), C.size_t(size), on, &f.err)
	})
}

// Fill queues that bytes get a value. What Copy says of addresses is so here.
func (d Device) Fill(to uint64, value byte, size int, stream *Stream) error {
	return d.queue(size, stream, func(on C.shmalloc_stream, f *frame) C.shmalloc_status {
		return C.shmalloc_device_fill(C.shmalloc_device(d), C.shmalloc_address(to), C.uint32_t(value), C.size_t(size), on, &f.err)
	})
}

func (d Device) queue(size int, stream *Stream, call func(on C.shmalloc_stream, f *frame) C.shmalloc_status) error {
	if size < 0 {
		return refused(StatusInvalid, "a size below 0")
	}
	on, err := stream.on(d)
	if err != nil {
		return err
	}
	defer stream.end()
	f := newFrame()
	defer f.done()
	return f.check(call(on, f))
}
