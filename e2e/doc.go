// Package e2e drives a cluster of real processes with clients that nobody here wrote: go-redis, as a client of
// one server and of a cluster, redis-cli and redis-benchmark. It is a module of its own, so that the product
// depends on none of them. What is not installed is skipped, and says so.
package e2e
