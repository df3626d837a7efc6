#compdef shoal
# Completion of shoal for zsh. It asks the program, and knows nothing itself.
_shoal() {
	local line
	local -a found
	while IFS= read -r line; do
		found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
	done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
	if (( ${#found} )); then
		_describe shoal found
	else
		_files
	fi
}
compdef _shoal shoal
