package revocation

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// ErrDamaged says that something in the storage could not be read that should be readable:
// a log is corrupt, lost or of a newer version. The marks of other logs are read in spite
// of it.
var ErrDamaged = errors.New("a log of revocations is damaged")

const (
	segmentRecords = 1024    // of a full segment
	tailRecords    = 32      // that a head has, at most
	maxSegments    = 1 << 16 // of a log at a time; more are no log of ours

	recordSize  = 1 + len(key{}) + 8 + 8
	prefixSize  = 4 + 1
	headNumbers = 4 * 8
	sumSize     = 4
)

// What each value begins with; behind it stands the version.
const (
	segmentMagic = "rvkS"
	headMagic    = "rvkH"
	version      = 1
)

var sums = crc32.MakeTable(crc32.Castagnoli)

// sumOf has the name in it, so that a value under the key of another is noticed.
func sumOf(name string, b []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(name), sums), sums, b)
}

func appendRecords(b []byte, records []record) []byte {
	for _, r := range records {
		b = append(b, byte(r.kind))
		b = append(b, r.key[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(r.before)) // #nosec G115 -- the same bits, and back
		b = binary.BigEndian.AppendUint64(b, uint64(r.until))  // #nosec G115 -- the same bits, and back
	}
	return b
}

// decodeRecords takes records of kinds that it does not know for voided ones.
func decodeRecords(b []byte) []record {
	records := make([]record, 0, len(b)/recordSize)
	for ; len(b) >= recordSize; b = b[recordSize:] {
		r := record{kind: kind(b[0])}
		if r.kind >= kinds {
			r.kind = voided
		}
		copy(r.key[:], b[1:])
		r.before = int64(binary.BigEndian.Uint64(b[recordSize-16:])) // #nosec G115 -- the same bits, and back
		r.until = int64(binary.BigEndian.Uint64(b[recordSize-8:]))   // #nosec G115 -- the same bits, and back
		records = append(records, r)
	}
	return records
}

func seal(name, magic string, body []byte) []byte {
	b := make([]byte, 0, prefixSize+len(body)+sumSize)
	b = append(append(append(b, magic...), version), body...)
	return binary.BigEndian.AppendUint32(b, sumOf(name, b))
}

// open gives the body of a sealed value.
func open(name, magic string, b []byte, largest int) ([]byte, error) {
	switch {
	case len(b) < prefixSize+sumSize || len(b) > prefixSize+largest+sumSize:
		return nil, fmt.Errorf("%w: %s has %d bytes", ErrDamaged, name, len(b))
	case string(b[:4]) != magic:
		return nil, fmt.Errorf("%w: %s is something else", ErrDamaged, name)
	case b[4] != version:
		return nil, fmt.Errorf("%w: %s has version %d, known is %d", ErrDamaged, name, b[4], version)
	}
	at := len(b) - sumSize
	if binary.BigEndian.Uint32(b[at:]) != sumOf(name, b[:at]) {
		return nil, fmt.Errorf("%w: %s has another checksum", ErrDamaged, name)
	}
	return b[prefixSize:at], nil
}

func encodeSegment(name string, records []record) []byte {
	return seal(name, segmentMagic, appendRecords(make([]byte, 0, len(records)*recordSize), records))
}

func decodeSegment(name string, b []byte) ([]record, error) {
	body, err := open(name, segmentMagic, b, segmentRecords*recordSize)
	if err != nil {
		return nil, err
	}
	if len(body)%recordSize != 0 {
		return nil, fmt.Errorf("%w: %s does not end with a record", ErrDamaged, name)
	}
	return decodeRecords(body), nil
}

// head says how far a log goes. Its records are counted from the begin of the log; the
// segment n has those from n*segmentRecords on.
type head struct {
	first   uint64 // the first segment that is kept
	flushed uint64 // how many records the segments have
	total   uint64 // how many records there are
	until   int64  // when all marks are past
	tail    []record
}

// begin is where the tail begins.
func (h head) begin() uint64 { return h.total - uint64(len(h.tail)) }

func encodeHead(name string, h head) []byte {
	b := make([]byte, 0, headNumbers+len(h.tail)*recordSize)
	for _, n := range []uint64{h.first, h.flushed, h.total, uint64(h.until)} { // #nosec G115 -- the same bits, and back
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return seal(name, headMagic, appendRecords(b, h.tail))
}

func decodeHead(name string, b []byte) (head, error) {
	body, err := open(name, headMagic, b, headNumbers+tailRecords*recordSize)
	if err != nil {
		return head{}, err
	}
	if len(body) < headNumbers || (len(body)-headNumbers)%recordSize != 0 {
		return head{}, fmt.Errorf("%w: %s does not end with a record", ErrDamaged, name)
	}
	number := func(i int) uint64 { return binary.BigEndian.Uint64(body[i*8:]) }
	h := head{first: number(0), flushed: number(1), total: number(2), until: int64(number(3))} // #nosec G115 -- the same bits, and back
	h.tail = decodeRecords(body[headNumbers:])
	last := h.flushed / segmentRecords
	switch {
	case h.flushed > h.total || h.total < uint64(len(h.tail)) || h.begin() > h.flushed:
		return head{}, fmt.Errorf("%w: %s has records nowhere", ErrDamaged, name)
	case h.first > last || last-h.first > maxSegments:
		return head{}, fmt.Errorf("%w: %s has segments from %d to %d", ErrDamaged, name, h.first, last)
	}
	return h, nil
}
