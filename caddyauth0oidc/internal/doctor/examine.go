package doctor

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// patience is for each check of a site, with all that it asks.
	patience = 30 * time.Second
	// atOnce is how many sites are examined at a time.
	atOnce = 4
)

// all are the checks that need the tenant to be there, after those of the network and of discovery.
var all = TenantChecks()

// Examine does every check of every site, and gives what they have found in the order of the sites. Progress is told what is
// being looked at; it may be called by several goroutines at once. The end of ctx ends it.
func Examine(ctx context.Context, sites []*Site, surroundings Surroundings, progress func(string)) []Finding {
	results := make([][]Finding, len(sites))
	turns := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for i, site := range sites {
		running.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			if ctx.Err() == nil {
				progress(fmt.Sprintf("checking %s (%d of %d)", site.Name, i+1, len(sites)))
				results[i] = examineOne(ctx, site, surroundings, all)
			}
		})
	}
	running.Wait()
	return distinct(slices.Concat(results...))
}

func examineOne(ctx context.Context, site *Site, surroundings Surroundings, checks []Check) []Finding {
	found := checkSettings(site)
	asked, usable := bounded(ctx, site, surroundings, checkTenant)
	found = append(found, asked...)
	if !usable {
		return append(found, site.found(Unknown, codeNotAsked, "What is set up at the tenant was not looked at.",
			"The tenant does not answer as it has to.", "Remove the errors above, and run the command again."))
	}
	for _, check := range checks {
		more, _ := bounded(ctx, site, surroundings, check)
		found = append(found, more...)
	}
	return found
}

// bounded does a check within its time, and tells whether nothing that it found is a Failure.
func bounded(ctx context.Context, site *Site, surroundings Surroundings, check Check) (found []Finding, fine bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found = check(ctx, site, surroundings)
	return found, !slices.ContainsFunc(found, func(f Finding) bool { return f.Severity == Failure && blocks[f.Code] })
}

// distinct leaves out what several directives of a site have in common.
func distinct(found []Finding) []Finding {
	seen := make(map[Finding]bool, len(found))
	return slices.DeleteFunc(found, func(f Finding) bool {
		before := seen[f]
		seen[f] = true
		return before
	})
}
