package revocation

import "time"

// Status is for those who watch.
type Status struct {
	Marks   int       // how many are known
	Waiting int       // how many the storage does not have
	Polled  time.Time // when all was last read; zero for never
	Err     error     // of the last Poll or Revoke
}

// Status asks only the memory.
func (l *Ledger) Status() Status {
	var s Status
	for k := range l.index.counts {
		s.Marks += int(l.index.counts[k].Load())
	}
	return s
}
