package revocation

import "time"

// Status is what there is to know of a ledger as a whole.
type Status struct {
	Marks   int       // that are in memory
	Waiting int       // of these, that the storage does not have yet
	Read    time.Time // of the last good reading; zero before there is one
	Err     error     // of the last Poll or Revoke
}

// Status tells how the ledger is doing.
func (l *Ledger) Status() Status {
	var s Status
	for k := range l.index.counts {
		s.Marks += int(l.index.counts[k].Load())
	}
	return s
}
