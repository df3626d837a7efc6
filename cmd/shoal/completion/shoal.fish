# Completion of shoal for fish. It asks the program, and knows nothing itself.
function __shoal_complete
	set -l words (commandline -opc) (commandline -ct)
	command $words[1] __complete $words[2..-1] 2>/dev/null
end
# Where the program knows nothing, a file may be meant.
complete -c shoal -f -n 'count (__shoal_complete) >/dev/null' -a '(__shoal_complete)'
