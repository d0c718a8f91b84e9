package shmalloc

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAllocator(t *testing.T) {
	a, err := NewAllocator(&AllocatorOptions{Kind: AllocatorKindMap, Name: "mine", Config: "prefix:" + prefix + ",export_ttl_ms:50"})
	ok(t, err)
	defer a.Close()
	s := must(a.NewStorage(5000, nil))
	defer s.Close()
	info := must(a.Info())
	equal(t, info.Name, "mine")
	equal(t, info.Kind, AllocatorKindMap)
	equal(t, info.LiveStorages, 1)
	equal(t, info.LiveBytes, 5000)
	equal(t, must(s.Info()).AllocatorID, info.ID)
	if info.Capabilities&CapabilityExport == 0 {
		t.Error("can't export")
	}
	equal(t, must(a.Config("export_ttl_ms")), "50")
	ok(t, a.Configure("export_ttl_ms:60,mode:0640"))
	if all := must(a.Config("")); !strings.Contains(all, "export_ttl_ms:60") || !strings.Contains(all, "mode:0640") {
		t.Error(all)
	}
	fails(t, a.Configure("no_such_key:1"), ErrInvalid)
	_, err = a.Config("no_such_key")
	fails(t, err, ErrNotFound)
	_, err = NewAllocator(&AllocatorOptions{Config: "nonsense"})
	fails(t, err, ErrInvalid)
	_, err = NewAllocator(&AllocatorOptions{Device: NewDevice(DeviceTypeVulkan, 0)})
	fails(t, err, ErrUnsupported)
	t.Setenv("SHMALLOC_CONF", "export_ttl_ms:70")
	b := must(NewAllocator(&AllocatorOptions{Kind: AllocatorKindMap, Environment: true}))
	defer b.Close()
	equal(t, must(b.Config("export_ttl_ms")), "70")
}

func TestCurrentAllocator(t *testing.T) {
	before := must(CurrentAllocator(DeviceHost))
	defer before.Close()
	equal(t, must((*Allocator)(nil).Info()).ID, must(before.Info()).ID)
	mine := newTestAllocator(t, AllocatorKindMap)
	eventually(t, "no storages of the current allocator are live", func() bool {
		must(Trim(TrimDeferred|TrimExpired, 0))
		return must(before.Info()).LiveStorages == 0
	})
	ok(t, mine.MakeCurrent())
	s := must(NewStorage(10, nil))
	equal(t, must(s.Info()).AllocatorID, must(mine.Info()).ID)
	fails(t, before.MakeCurrent(), ErrBusy)
	ok(t, s.Close())
	ok(t, before.MakeCurrent())
}

func TestDevice(t *testing.T) {
	info := must(Device(DeviceHost).Info())
	if info.Total == 0 || info.PageSize == 0 || info.Count != 1 || info.Capabilities&CapabilityHostAccess == 0 || info.Name == "" {
		t.Errorf("%+v", info)
	}
	_, err := NewDevice(DeviceTypeVulkan, 3).Info()
	fails(t, err, ErrUnsupported)
}

func TestStatistics(t *testing.T) {
	a := newTestAllocator(t, AllocatorKindDirect)
	small, large := must(a.NewStorage(1000, nil)), must(a.NewStorage(2<<20, nil))
	ok(t, small.Close())
	found := must(a.Statistics())
	equal(t, found.Allocation[StatPoolAll], Stat{Current: 1, Peak: 2, Allocated: 2, Freed: 1})
	equal(t, found.Allocation[StatPoolSmall], Stat{Current: 0, Peak: 1, Allocated: 1, Freed: 1})
	equal(t, found.RequestedBytes[StatPoolLarge].Current, 2<<20)
	equal(t, found.DeviceAlloc, 2)
	equal(t, found.DeviceFree, 1)
	equal(t, found.MaxSplitSize, -1)
	ok(t, a.ResetStatistics(ResetPeaks))
	equal(t, must(a.Statistics()).Allocation[StatPoolAll].Peak, 1)
	ok(t, a.ResetStatistics(0))
	equal(t, must(a.Statistics()).Allocation[StatPoolAll].Allocated, 0)
	ok(t, large.Close())
}

func TestHistoryAndSnapshot(t *testing.T) {
	a := newTestAllocator(t, AllocatorKindDirect)
	traced := func() int {
		var snapshot struct {
			Segments []any   `json:"segments"`
			Traces   [][]any `json:"device_traces"`
		}
		ok(t, json.Unmarshal(must(a.SnapshotJSON()), &snapshot))
		equal(t, len(snapshot.Segments), 1)
		if len(snapshot.Traces) == 0 {
			return 0
		}
		return len(snapshot.Traces[0])
	}
	kept := must(a.NewStorage(100, nil))
	defer kept.Close()
	equal(t, traced(), 0)
	ok(t, a.RecordHistory(nil))
	ok(t, must(a.NewStorage(100, nil)).Close())
	recorded := traced()
	if recorded < 2 {
		t.Error(recorded)
	}
	ok(t, a.RecordHistory(&HistoryOptions{Stop: true}))
	ok(t, must(a.NewStorage(100, nil)).Close())
	equal(t, traced(), recorded)
	ok(t, a.RecordHistory(&HistoryOptions{Stop: true, Clear: true}))
	equal(t, traced(), 0)
	to := newTestAllocator(t, AllocatorKindShared)
	shared := must(a.Snapshot(to))
	defer shared.Close()
	must(shared.Export(nil))
}

func TestTrim(t *testing.T) {
	a := newTestAllocator(t, AllocatorKindShared)
	ok(t, must(a.NewStorage(8<<20, nil)).Close())
	if freed := must(a.Trim(TrimFree, 0)); freed < 8<<20 {
		t.Error(freed)
	}
}
