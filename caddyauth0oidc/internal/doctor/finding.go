package doctor

// Severity says how bad a finding is.
type Severity string

// The severities, from nothing to do to nobody can sign in.
const (
	// Passed is a matter that was looked at and is as it shall be.
	Passed Severity = "ok"
	// Unknown is a matter that could not be looked at, such as one that needs the Management API.
	Unknown Severity = "unknown"
	// Warning is what works, and is weaker, slower or about to fail.
	Warning Severity = "warning"
	// Failure is what keeps users from signing in, or applications from being protected.
	Failure Severity = "error"
)

// Finding is what a check has found out. None of its texts has a secret, a token or a claim.
type Finding struct {
	// Code is stable, such as "callback_not_allowed"; docs/doctor.md lists all.
	Code string `json:"code"`
	// Severity says how bad it is.
	Severity Severity `json:"severity"`
	// Site is the name of the site, and empty for what is about all of them.
	Site string `json:"site,omitempty"`
	// Seen is what was seen, as a sentence.
	Seen string `json:"seen"`
	// Cause says why that is wrong, or the likely reason; empty where Severity is Passed.
	Cause string `json:"cause,omitempty"`
	// Remedy says what to do, and where: a setting, a page of Auth0's dashboard, a command.
	Remedy string `json:"remedy,omitempty"`
}
