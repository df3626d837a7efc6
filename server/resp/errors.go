package resp

import "strings"

// ProtocolError is returned for bytes that are no command: the stream cannot be cut any more, and the
// connection closes, after Reply where there is one.
type ProtocolError struct {
	Text string // Redis' words where it has any
	HTTP bool   // a request that a browser may have been tricked into: it gets no reply
}

// Error is one line.
func (e *ProtocolError) Error() string { return "resp: protocol error: " + e.Text }

// Reply is the error as the client is told, for AppendError.
func (e *ProtocolError) Reply() string { return "ERR Protocol error: " + e.Text }

func refuse(text string) error { return &ProtocolError{Text: text} }

// CommandError is a command that cannot be carried out as it is, in the words of Redis where clients go by
// them: the text of the reply, for AppendError.
type CommandError string

// Error is one line.
func (e CommandError) Error() string { return "resp: " + string(e) }

// What commands are refused for, beside their names and the number of their arguments.
const (
	ErrSyntax    CommandError = "ERR syntax error"
	ErrInteger   CommandError = "ERR value is not an integer or out of range"
	ErrOverflow  CommandError = "ERR increment or decrement would overflow"
	ErrDecrement CommandError = "ERR decrement would overflow"
	ErrProtover  CommandError = "NOPROTO unsupported protocol version"
)

func expireError(command string) error {
	return CommandError("ERR invalid expire time in '" + command + "' command")
}

func arityError(name string) error {
	return CommandError("ERR wrong number of arguments for '" + name + "' command")
}

// echoed is how many bytes of a client's own words an error gives back.
const echoed = 128

func unknownError(args [][]byte) error {
	var b strings.Builder
	b.WriteString("ERR unknown command '")
	b.Write(args[0][:min(len(args[0]), echoed)])
	b.WriteString("', with args beginning with: ")
	given := b.Len()
	for _, a := range args[1:] {
		if b.Len()-given >= echoed {
			break
		}
		b.WriteByte('\'')
		b.Write(a[:min(len(a), echoed-(b.Len()-1-given))])
		b.WriteString("' ")
	}
	return CommandError(b.String())
}

func subcommandError(container string, sub []byte) error {
	return CommandError("ERR unknown subcommand '" + string(sub[:min(len(sub), echoed)]) + "'. Try " + strings.ToUpper(container) + " HELP.")
}
