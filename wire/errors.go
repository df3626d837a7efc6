package wire

import (
	"errors"
	"fmt"
)

// Errors of the codec. After one of them the frame is lost but the stream is not, unless NextFrame returned it.
var (
	// ErrUnknownOp is returned for a request whose operation does not exist here; its Op and ID are set.
	ErrUnknownOp = errors.New("wire: unknown operation: the client speaks a newer protocol than this node")
	// ErrUnknownKind is returned for a message whose kind does not exist here; its Kind and ID are set.
	ErrUnknownKind = errors.New("wire: unknown kind of message: the peer speaks a newer protocol than this node")
)

// LimitError is returned for something larger than Limits or the protocol allow, before anything is
// allocated for it.
type LimitError struct {
	What     string
	Got, Max uint64 // bytes or elements
}

// Error says what is too large, and by how much.
func (e *LimitError) Error() string {
	return fmt.Sprintf("wire: %s: %d is more than the limit of %d", e.What, e.Got, e.Max)
}

// FormatError is returned for bytes that are not what the protocol says.
type FormatError struct {
	What   string // what was found
	Offset int    // in bytes, from the start of the frame (without its length) or of the document
}

// Error says what was found, and where.
func (e *FormatError) Error() string {
	return fmt.Sprintf("wire: malformed bytes: %s, at offset %d", e.What, e.Offset)
}
