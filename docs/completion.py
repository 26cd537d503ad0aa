"""Makes docs/completion/node.bash, node.zsh and node.fish: what a shell offers after ./node.py when Tab is pressed.

`make docs` writes them; `python -m docs.completion --check` exits 1 if one is not up to date. All three go by one plan:
look at the words so far to find which command they have reached; then offer the value of the option before the cursor,
the options of the command line or of the command, or the command's own words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from docs.commands import Command, Entry, commands, main, write

ADDRESS = "^[0-9a-fA-F.:]*[.:][0-9a-fA-F.:]*(/[0-9]*)?$"  # what is an address rather than a command or a script
LINE = main()
COMMANDS = commands()


def words(entries: Iterable[Entry]) -> list[str]:
    """All the options, those with a '=' after them as they are typed."""
    return [f"{word}=" if entry.is_joined else word for entry in entries for word in entry.words]


def with_value(entries: Iterable[Entry]) -> list[Entry]:
    """Options whose value is the next word."""
    return [entry for entry in entries if entry.value and not entry.is_joined and not entry.is_optional]


def values(entries: Iterable[Entry]) -> list[str]:
    return words(with_value(entries))


def quoted(text: str) -> str:
    """As one word of a POSIX shell."""
    return text if re.fullmatch(r"[\w@%+=:,./-]+", text) else "'" + text.replace("'", r"'\''") + "'"


# --- bash and zsh


def _cases(bracket: str, value_of: Callable[[Entry], str], words_of: Callable[[Command], list[str]]) -> dict[str, str]:
    """The patterns and arms of the `case`s in which bash and zsh are alike. An arm's pattern begins with `bracket`;
    `value_of` is what offers an option's value, `words_of` the arm that offers a command's words."""
    value_arms, word_arms = [], []
    for command in (LINE, *COMMANDS):
        name = "" if command is LINE else command.name
        for entry in command.options:
            action = value_of(entry)
            if entry.value and action:
                value_arms.append(f"        {bracket}{'|'.join(f'{name}{word}' for word in entry.words)}) {action} ;;")
        if command is not LINE:
            word_arms += words_of(command)
    taking = [f"/{word}" for word in values(LINE.options)]
    taking += [f"{command.name}/{word}" for command in COMMANDS for word in values(command.options)]
    return {
        "VALUES": "\n".join(value_arms),
        "LINEVALUES": "|".join(values(LINE.options)),
        "COMMANDS": "|".join(LINE.words),
        "ADDRESS": ADDRESS,
        "TAKING": "|".join(taking),
        "WORDS": "\n".join(word_arms),
    }


# --- bash

BASH = r"""# Completion for bash, made by `make docs`: source docs/completion/node.bash
# shellcheck shell=bash disable=SC2034,SC2207

_glasstack_offer() {    # the words that begin with $1
    local word
    local start=$1
    shift
    for word; do
        [[ $word == "$start"* ]] && COMPREPLY+=("$word")
    done
}

_glasstack_files() {    # that begin with $1; the rest is for compgen
    local IFS=$'\n' start=$1
    shift
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen -f "$@" -- "$start"))
}

_glasstack_directories() {
    local IFS=$'\n'
    COMPREPLY+=($(compgen -d -- "$1"))
}

_glasstack_links() {
    local interface
    for interface in /sys/class/net/*; do
        [[ -e $interface/tun_flags ]] && echo "tap:${interface##*/}"
        [[ -e $interface ]] && echo "packet:${interface##*/}"
    done
}

_glasstack_value() {    # of option $1, which begins with $2
    case $command$1 in
@VALUES@
    esac
}

_glasstack() {
    local command= option= optional= glue= word i cur
    local -a typed=()
    # To bash a : and a = end a word: put together again what was typed as one.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ ${#typed[@]} -gt 0 && ( -n $glue || $word == [:=]* ) ]]; then
            typed[${#typed[@]} - 1]+=$word
        else
            typed+=("$word")
        fi
        glue=
        [[ $word == *[:=] ]] && glue=1
    done
    cur=${typed[${#typed[@]} - 1]}
    COMPREPLY=()

    for ((i = 0; i < ${#typed[@]} - 1; i++)); do
        word=${typed[i]}
        if [[ -n $option ]]; then
            option=
            continue
        fi
        case $word in
            @LINEVALUES@) option=$word ;;
            --trace) optional=1; continue ;;
            -*) ;;
            @COMMANDS@) command=$word; break ;;
            *) [[ -n $optional || $word =~ @ADDRESS@ ]] || { command=/; break; } ;;
        esac
        optional=
    done
    option=
    if [[ ${#typed[@]} -gt 1 ]]; then
        option=${typed[${#typed[@]} - 2]}
    fi

    case $command/$option in
        @TAKING@) _glasstack_value "$option" "$cur" ;;
        *)
            case $command in
                '')
                    if [[ $cur == --*=* ]]; then
                        _glasstack_value "${cur%%=*}" "${cur#*=}"
                        COMPREPLY=("${COMPREPLY[@]/#/${cur%%=*}=}")
                    elif [[ $cur == -* ]]; then
                        _glasstack_offer "$cur" @LINEOPTIONS@
                    else
                        [[ $option == --trace ]] && _glasstack_value --trace "$cur"
                        _glasstack_offer "$cur" @LINEWORDS@
                        _glasstack_files "$cur" -X '!*.py'
                        [[ -n $cur ]] && _glasstack_directories "$cur"
                    fi
                    ;;
@WORDS@
                *) _glasstack_files "$cur" ;;
            esac
            ;;
    esac

    if [[ ${#COMPREPLY[@]} -eq 1 && $COMPREPLY == *[:=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
    # What stands before the last : or = stays as it is on the line.
    if [[ $cur == *[:=]* ]]; then
        word=${cur%"${cur##*[:=]}"}
        COMPREPLY=("${COMPREPLY[@]#"$word"}")
    fi
}

complete -F _glasstack node.py
"""


def bash() -> str:
    return _fill(
        BASH,
        **_cases("", _bash_value, _bash_words),
        LINEOPTIONS=" ".join(words(LINE.options)),
        LINEWORDS=" ".join(LINE.words),
    )


def _bash_value(entry: Entry) -> str:
    if entry.takes_file:
        return '_glasstack_files "$2"'
    if entry.value == "LINK":
        return f'_glasstack_offer "$2" {" ".join(entry.choices)} $(_glasstack_links)'
    return f'_glasstack_offer "$2" {" ".join(map(quoted, entry.choices))}' if entry.choices else ""


def _bash_words(command: Command) -> list[str]:
    options = " ".join(words(command.options))
    arm = [f"                {command.name})"]
    if options:
        arm.append(f'                    _glasstack_offer "$cur" {options}')
    if command.words:
        arm.append(f'                    [[ $cur == -* ]] || _glasstack_offer "$cur" {" ".join(command.words)}')
    if command.takes_files:
        arm.append('                    [[ $cur == -* ]] || _glasstack_files "$cur"')
    return [*arm, "                    ;;"]


# --- zsh

ZSH = r"""#compdef node.py
# Completion for zsh, made by `make docs`: source docs/completion/node.zsh after compinit, or put it into a directory of
# $fpath as _node.py

_glasstack_value() {    # of an option, by the command it is one of and its name
    local -a links
    case $1 in
@VALUES@
        *) _message 'a value' ;;
    esac
}

_glasstack() {
    local command= option= optional= word
    local -a options list
    for word in "${(@)words[2,CURRENT-1]}"; do
        if [[ -n $option ]]; then
            option=
            continue
        fi
        case $word in
            (@LINEVALUES@) option=$word ;;
            (--trace) optional=1; continue ;;
            (-*) ;;
            (@COMMANDS@) command=$word; break ;;
            (*) [[ -n $optional || $word =~ '@ADDRESS@' ]] || { command=/; break } ;;
        esac
        optional=
    done
    option=${words[CURRENT-1]}

    case $command/$option in
        (@TAKING@) _glasstack_value "$command$option"; return ;;
    esac
    case $command in
        ('')
            if [[ $PREFIX == --*=* ]]; then
                option=${PREFIX%%=*}
                compset -P '*='
                _glasstack_value "$option"
                return
            fi
            options=(
@LINEOPTIONS@
            )
            list=(
@LINEWORDS@
            )
            if [[ $PREFIX == -* ]]; then
                _describe -o -t options option options
            else
                [[ $option == --trace ]] && _glasstack_value --trace
                _describe -t commands command list
                _files -g '*.py'
            fi
            ;;
@WORDS@
        (*) _files ;;
    esac
}

if [[ ${funcstack[1]} == _node.py ]]; then
    _glasstack "$@"
else
    compdef _glasstack node.py
fi
"""


def zsh() -> str:
    return _fill(
        ZSH,
        **_cases("(", _zsh_value, _zsh_words),
        LINEOPTIONS="\n".join(_zsh_options(LINE.options, 16)),
        LINEWORDS="\n".join(" " * 16 + quoted(f"{command.name}:{command.text}") for command in COMMANDS),
    )


def _zsh_options(entries: Iterable[Entry], indent: int) -> list[str]:
    return [" " * indent + quoted(f"{word}:{entry.text}") for entry in entries for word in words([entry])]


def _zsh_value(entry: Entry) -> str:
    if entry.takes_file:
        return "_files"
    if entry.value == "LINK":
        taps = "links=(/sys/class/net/*/tun_flags(N:h:t)); compadd -p tap: -a links; compadd -S '' tap:"
        return f"compadd lab sim; {taps}; links=(/sys/class/net/*(N:t)); compadd -p packet: -a links"
    unfinished = [choice for choice in entry.choices if choice.endswith("=")]
    if unfinished:
        return f"compadd -S '' -- {' '.join(unfinished)}"
    return f"compadd -- {' '.join(map(quoted, entry.choices))}" if entry.choices else ""


def _zsh_words(command: Command) -> list[str]:
    arm = [f"        ({command.name})"]
    if command.options:
        arm += ["            options=(", *_zsh_options(command.options, 16), "            )"]
        arm.append("            _describe -o -t options option options")
    if command.words:
        arm.append(f"            [[ $PREFIX == -* ]] || compadd -- {' '.join(command.words)}")
    if command.takes_files:
        arm.append("            [[ $PREFIX == -* ]] || _files")
    return [*arm, "            ;;"]


# --- fish

FISH = r"""# Completion for fish, made by `make docs`: source docs/completion/node.fish

function __glasstack_command --description 'The command that the line so far has reached'
    set -l words (commandline -opc)
    set -e words[1]
    set -l option
    set -l optional
    for word in $words
        if test -n "$option"
            set option
            continue
        end
        switch $word
            case @LINEVALUES@
                set option $word
            case --trace
                set optional 1
                continue
            case '-*'
            case @COMMANDS@
                echo $word
                return
            case '*'
                if test -z "$optional"; and not string match -qr -- '@ADDRESS@' $word
                    echo /
                    return
                end
        end
        set optional
    end
end

function __glasstack_at --description 'Whether the line has reached this command'
    set -l command (__glasstack_command)
    test "$command" = "$argv[1]"
end

function __glasstack_links --description 'Interfaces that are there'
    for interface in /sys/class/net/*
        if test -e $interface/tun_flags
            printf 'tap:%s\n' (basename $interface)
        end
        printf 'packet:%s\n' (basename $interface)
    end
end

complete -c node.py -f
complete -c node.py -n '__glasstack_at ""' -k -a '(__fish_complete_suffix .py)'
complete -c node.py -n '__glasstack_at /' -F
complete -c node.py -n '__glasstack_at ""; and string match -q -- --trace (commandline -opc)[-1]' -a @FILTERS@
@LINES@
"""


def fish() -> str:
    rows = [_fish('__glasstack_at ""', f"-a {command.name}", command.text) for command in COMMANDS]
    for command in (LINE, *COMMANDS):
        condition = f"__glasstack_at {'' if command is LINE else command.name}".rstrip()
        if command is LINE:
            condition += ' ""'
        rows += [_fish_option(condition, entry) for entry in command.options]
        if command is not LINE and command.words:
            rows.append(_fish(condition, f"-a {_fish_quoted(' '.join(command.words))}"))
        if command.takes_files and command is not LINE:
            rows.append(_fish(condition, "-F"))
    filters = next(entry.choices for entry in LINE.options if "--trace" in entry.words)
    return _fill(
        FISH,
        LINEVALUES=" ".join(values(LINE.options)),
        COMMANDS=" ".join(LINE.words),
        ADDRESS=ADDRESS,
        FILTERS=_fish_quoted(" ".join(filters)),
        LINES="\n".join(rows),
    )


def _fish(condition: str, what: str, text: str = "") -> str:
    return f"complete -c node.py -n {_fish_quoted(condition)} {what}" + (f" -d {_fish_quoted(text)}" if text else "")


def _fish_option(condition: str, entry: Entry) -> str:
    if not entry.words[0].startswith("-"):
        return _fish(condition, f"-a {_fish_quoted(' '.join(words([entry])))}", entry.text)
    flags = []
    for word in entry.words:
        if word.startswith("--"):
            flags.append(f"-l {word[2:]}")
        else:
            flags.append(f"-{'s' if len(word) == 2 else 'o'} {word[1:]}")
    if entry.takes_file:
        flags.append("-r -F")
    elif entry.value and not entry.is_optional:
        flags.append("-x")
        links = " (__glasstack_links)" if entry.value == "LINK" else ""
        if entry.choices:
            flags.append(f"-a {_fish_quoted(' '.join(entry.choices) + links)}")
    return _fish(condition, " ".join(flags), entry.text)


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fill(template: str, **parts: str) -> str:
    for name, text in parts.items():
        template = template.replace(f"@{name}@", text)
    return template


if __name__ == "__main__":
    write({"completion/node.bash": bash(), "completion/node.zsh": zsh(), "completion/node.fish": fish()})
