# Completion of shoal for bash, from 3.2. It asks the program, and knows nothing itself.
_shoal() {
	local line word="${COMP_WORDS[COMP_CWORD]}" words=() i n=0 cut
	# bash cuts a line at = too: --flag = value are three words here, and only the last of them is completed.
	for ((i = 1; i <= COMP_CWORD; i++)); do
		if ((n > 0)) && [[ ${COMP_WORDS[i]} == = || ${words[n - 1]} == -*= ]]; then
			words[n - 1]+=${COMP_WORDS[i]}
		else
			words[n++]=${COMP_WORDS[i]}
		fi
	done
	cut=$((${#words[n - 1]} - ${#word}))
	if [[ $word == = ]]; then
		cut=${#words[n - 1]}
	fi
	COMPREPLY=()
	while IFS= read -r line; do
		line=${line%%$'\t'*}
		COMPREPLY+=("${line:cut}")
	done < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
}
complete -o default -F _shoal shoal
