# bash completion for shmalloc. What there is to complete, the tool itself tells.

_shmalloc() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' word tool=${COMP_WORDS[0]}
  local commands='info put get ls top stat rm gc help'
  COMPREPLY=()
  # bash takes --socket=PATH apart at the sign.
  if [[ $current == '=' ]]; then current='' previous=${COMP_WORDS[COMP_CWORD - 1]}; fi
  if [[ $previous == '=' ]]; then previous=${COMP_WORDS[COMP_CWORD - 2]}; fi
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ " $commands " == *" $word "* ]]; then
      command=$word
      break
    fi
  done

  case $previous in
    -o | --output | -s | --socket)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    -t | --timeout | --name | --prefix | --mode | --config | --clients | -d | --delay | --count) return ;;
  esac
  if [[ $current == -* ]]; then
    word='--json --help --version'
    [[ $command ]] && word=$("$tool" help "$command" 2>/dev/null | grep -oE -- '^ .{5}--[a-z-]+|, --[a-z-]+' | grep -oE -- '--[a-z-]+')
    mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
    return
  fi
  case $command in
    '' | help) mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current") ;;
    put)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      ;;
    rm | stat) mapfile -t COMPREPLY < <(compgen -W "$("$tool" ls --named --quiet 2>/dev/null)" -- "$current") ;;
  esac
}

complete -F _shmalloc shmalloc
