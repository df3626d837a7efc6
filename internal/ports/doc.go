// Package ports finds ports for processes that are about to be started on this machine.
package ports
