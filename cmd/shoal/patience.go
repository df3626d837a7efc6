package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/shoalcache/shoal/client"
)

// A transfer asks so many times more, over three to six seconds: as long as a node takes to be given up by the others, and
// longer than the client, which bounds its retries by how many calls it makes.
const (
	persistTimes = 6
	persistFirst = 50 * time.Millisecond // and then twice as long each time, and up to twice that at random
)

// persist calls do until it does not fail, fails with what will not pass, or has failed too often. Once ctx ends it is
// not called again.
func persist(ctx context.Context, do func() error) error {
	pause := persistFirst
	for range persistTimes {
		err := do()
		if err == nil || !passing(err) {
			return err
		}
		rest := time.NewTimer(pause + rand.N(pause))
		select {
		case <-rest.C:
		case <-ctx.Done():
			rest.Stop()
			return err
		}
		pause *= 2
	}
	return do()
}

// passing reports whether an error says something of the moment, and not of what was asked.
func passing(err error) bool {
	var (
		connect     *client.ConnectError
		notReady    *client.NotReadyError
		overloaded  *client.OverloadedError
		quorum      *client.QuorumError
		timeout     *client.TimeoutError
		interrupted *client.InterruptedError
	)
	return errors.As(err, &connect) || errors.As(err, &notReady) || errors.As(err, &overloaded) ||
		errors.As(err, &quorum) || errors.As(err, &timeout) || errors.As(err, &interrupted)
}
