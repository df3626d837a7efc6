package resp

import "strings"

// AppendCatalog appends what COMMAND, COMMAND COUNT, INFO and DOCS answer; args are the whole command.
func AppendCatalog(dst []byte, v Version, id ID, args [][]byte) []byte {
	names := args[min(2, len(args)):]
	switch {
	case len(names) > len(byName): // one named over and over would be a reply of any size
		return AppendError(dst, "ERR more names than there are commands")
	case id == CommandCount:
		return AppendInt(dst, int64(len(commands)))
	case id == CommandDocs:
		return appendDocs(dst, v, names)
	case len(names) == 0:
		dst = AppendArray(dst, len(commands))
		for _, c := range commands {
			dst = appendInfo(dst, v, c)
		}
		return dst
	}
	dst = AppendArray(dst, len(names))
	for _, name := range names {
		if c := byName[strings.ToLower(string(name))]; c != nil {
			dst = appendInfo(dst, v, c)
		} else {
			dst = AppendNullArray(dst, v)
		}
	}
	return dst
}

// appendInfo is one command as Redis 7 describes it. Key specifications are left out: positions say it all.
func appendInfo(dst []byte, v Version, c *Command) []byte {
	dst = AppendArray(dst, 10)
	dst = AppendBulk(dst, c.Name)
	dst = AppendInt(dst, int64(c.Arity))
	dst = AppendSet(dst, v, c.Flags.count())
	for i, name := range flagNames {
		if c.Flags&(1<<i) != 0 {
			dst = AppendSimple(dst, name)
		}
	}
	dst = AppendInt(dst, int64(c.First))
	dst = AppendInt(dst, int64(c.Last))
	dst = AppendInt(dst, int64(c.Step))
	dst = AppendSet(dst, v, 1)
	dst = AppendSimple(dst, "@"+c.Group)
	dst = AppendArray(dst, 0) // tips
	dst = AppendArray(dst, 0) // key specifications
	dst = AppendArray(dst, len(c.subs))
	for _, sub := range c.subs {
		dst = appendInfo(dst, v, sub)
	}
	return dst
}

func (f Flag) count() (n int) {
	for ; f != 0; f &= f - 1 {
		n++
	}
	return n
}

func appendDocs(dst []byte, v Version, names [][]byte) []byte {
	var found []*Command
	if len(names) == 0 {
		found = commands
	}
	for _, name := range names {
		if c := byName[strings.ToLower(string(name))]; c != nil {
			found = append(found, c)
		}
	}
	dst = AppendMap(dst, v, len(found))
	for _, c := range found {
		dst = appendDoc(dst, v, c)
	}
	return dst
}

func appendDoc(dst []byte, v Version, c *Command) []byte {
	fields := 3
	if len(c.subs) > 0 {
		fields++
	}
	dst = AppendBulk(dst, c.Name)
	dst = AppendMap(dst, v, fields)
	for _, f := range [...][2]string{{"summary", c.Summary}, {"since", c.Since}, {"group", c.Group}} {
		dst = AppendBulk(dst, f[0])
		dst = AppendBulk(dst, f[1])
	}
	if len(c.subs) > 0 {
		dst = AppendBulk(dst, "subcommands")
		dst = AppendMap(dst, v, len(c.subs))
		for _, sub := range c.subs {
			dst = appendDoc(dst, v, sub)
		}
	}
	return dst
}
