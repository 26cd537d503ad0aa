#compdef node.py
# Completion for zsh, made by `make docs`: source docs/completion/node.zsh after compinit, or put it into a directory of
# $fpath as _node.py

_glasstack_value() {    # of an option, by the command it is one of and its name
    local -a links
    case $1 in
        (--link) compadd lab sim; links=(/sys/class/net/*/tun_flags(N:h:t)); compadd -p tap: -a links; compadd -S '' tap:; links=(/sys/class/net/*(N:t)); compadd -p packet: -a links ;;
        (--set) compadd -S '' -- ip_default_ttl= arp_reachable_time= arp_retrans_timer= arp_max_requests= arp_delay_first_probe= arp_queue_bytes= arp_cache_size= acd_probe_wait= acd_probe_num= acd_probe_interval= acd_announce_wait= acd_announce_num= acd_announce_interval= acd_defend_interval= icmp_rate= icmp_burst= icmp_echo_ignore_all= udp_rcvbuf= tcp_rcvbuf= tcp_sndbuf= tcp_initial_rto= tcp_min_rto= tcp_max_rto= tcp_syn_retries= tcp_synack_retries= tcp_retries= tcp_orphan_retries= tcp_msl= tcp_fin_timeout= tcp_max_tw_buckets= tcp_max_orphans= tcp_delayed_ack= tcp_initial_cwnd= tcp_dupacks= tcp_keepalive_time= tcp_keepalive_interval= tcp_keepalive_probes= tcp_max_syn_backlog= tcp_challenge_ack_limit= tcp_max_out_of_order= dhcp_start_wait= dhcp_timeout= dhcp_retry= dhcp_retry_max= dhcp_request_tries= dhcp_reboot_tries= dhcp_renew_wait= dhcp_decline_wait= dns_timeout= dns_attempts= dns_ndots= dns_edns_size= dns_cache_size= dns_max_ttl= dns_max_negative_ttl= port_low= port_high= ;;
        (--trace) compadd -- tcp udp icmp arp ip ;;
        (--trace-format) compadd -- columns tcpdump tree ;;
        (-w|--pcap) _files ;;
        (--color) compadd -- auto always never ;;
        (--config) _files ;;
        (trace-r) _files ;;
        (wget-O|wget--output-document) _files ;;
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
            (--link|-g|--gateway|--dns|--search|--set|--seed|--trace-format|-w|--pcap|--color|-c|--config) option=$word ;;
            (--trace) optional=1; continue ;;
            (-*) ;;
            (conf|dns|help|nc|ping|rlogin|serve|trace|traceroute|wget) command=$word; break ;;
            (*) [[ -n $optional || $word =~ '^[0-9a-fA-F.:]*[.:][0-9a-fA-F.:]*(/[0-9]*)?$' ]] || { command=/; break } ;;
        esac
        optional=
    done
    option=${words[CURRENT-1]}

    case $command/$option in
        (/--link|/-g|/--gateway|/--dns|/--search|/--set|/--seed|/--trace-format|/-w|/--pcap|/--color|/-c|/--config|dns/-t|dns/-c|dns/-q|dns/-x|dns/-p|nc/-w|nc/-q|nc/-p|nc/-s|ping/-c|ping/-i|ping/-W|ping/-w|ping/-s|ping/-t|rlogin/-l|rlogin/-p|trace/-f|trace/-c|trace/-r|traceroute/-m|traceroute/-q|traceroute/-f|traceroute/-N|traceroute/-p|traceroute/-w|traceroute/-z|wget/-O|wget/--output-document|wget/--header|wget/-T|wget/--timeout|wget/-t|wget/--tries|wget/--max-redirect) _glasstack_value "$command$option"; return ;;
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
                '-dhcp:an address from a DHCP server'
                '--link:tap:NAME, packet:INTERFACE, lab (a Linux kernel of its own), sim (no kernel at all)'
                '-g:where packets for other networks go'
                '--gateway:where packets for other networks go'
                '--dns:a name server; several with commas between them'
                '--search:where names without a dot are sought'
                '--set:a setting of the stack: --set tcp_msl=1; ./node.py conf lists them'
                '--seed:the same random numbers each time'
                '--trace:show each packet, or those a filter lets through: tcp, '\''host 10.0.0.1 and port 80'\'' ...'
                '--trace-format:columns as tshark has them, tcpdump, or tree for every field'
                '-w:write a capture of every packet; - is standard output, the rest is on standard error then'
                '--pcap:write a capture of every packet; - is standard output, the rest is on standard error then'
                '--color:auto, always or never'
                '-q:no banner'
                '--quiet:no banner'
                '-c:run CODE'
                '-i:stay at the prompt afterwards'
                '--config:read FILE, not ./glasstack.toml and ~/.config/glasstack/config.toml'
                '--no-config:read neither'
                '--print-config:an example of such a file, with every setting there is'
                '-V:the version'
                '--version:the version'
                '-h:this; --help ping is about ping'
                '--help:this; --help ping is about ping'
            )
            list=(
                'conf:every setting of the stack, to look at and to set'
                'dns:ask a name server, as dig does'
                'help:this list; help ping has more about ping'
                'nc:talk to a port, or listen at one'
                'ping:send ICMP echo requests to a host'
                'rlogin:a terminal on another host (RFC 1282)'
                'serve:services in the foreground until Ctrl-C: serve echo http:8080'
                'trace:a capture file'\''s packets: trace x.pcapng '\''tcp port 80'\'''
                'traceroute:find the routers on the way to a host'
                'wget:fetch a file over http'
            )
            if [[ $PREFIX == -* ]]; then
                _describe -o -t options option options
            else
                [[ $option == --trace ]] && _glasstack_value --trace
                _describe -t commands command list
                _files -g '*.py'
            fi
            ;;
        (conf)
            options=(
                '--json:one JSON document instead of text'
            )
            _describe -o -t options option options
            [[ $PREFIX == -* ]] || compadd -- address dhcp link gateway dns search trace trace_format pcap color seed quiet history ip_default_ttl arp_reachable_time arp_retrans_timer arp_max_requests arp_delay_first_probe arp_queue_bytes arp_cache_size acd_probe_wait acd_probe_num acd_probe_interval acd_announce_wait acd_announce_num acd_announce_interval acd_defend_interval icmp_rate icmp_burst icmp_echo_ignore_all udp_rcvbuf tcp_rcvbuf tcp_sndbuf tcp_initial_rto tcp_min_rto tcp_max_rto tcp_syn_retries tcp_synack_retries tcp_retries tcp_orphan_retries tcp_msl tcp_fin_timeout tcp_max_tw_buckets tcp_max_orphans tcp_delayed_ack tcp_initial_cwnd tcp_dupacks tcp_keepalive_time tcp_keepalive_interval tcp_keepalive_probes tcp_max_syn_backlog tcp_challenge_ack_limit tcp_max_out_of_order dhcp_start_wait dhcp_timeout dhcp_retry dhcp_retry_max dhcp_request_tries dhcp_reboot_tries dhcp_renew_wait dhcp_decline_wait dns_timeout dns_attempts dns_ndots dns_edns_size dns_cache_size dns_max_ttl dns_max_negative_ttl port_low port_high
            ;;
        (dns)
            options=(
                '-t:A, AAAA, CNAME, PTR, MX, NS, SOA, TXT, SRV, ANY, TYPE123 ...'
                '-c:IN, CH ...'
                '-q:look up NAME, whatever it looks like'
                '-x:look up the names of ADDRESS'
                '-p:the server'\''s port, without which it is 53'
                '+short:nothing but the answers'
                '+tcp:ask over TCP'
                '+time=:wait so long for each try (5)'
                '+tries=:ask each server so often (3)'
                '+norecurse:do not have the server ask others'
                '+bufsize=:bytes of answer that are welcome over UDP'
                '+noedns:ask without EDNS'
                '+noall:show nothing but what is asked for behind it'
                '+answer:show the answers; so +cmd +comments +question +authority +additional +stats'
                '--json:one JSON document'
            )
            _describe -o -t options option options
            ;;
        (help)
            [[ $PREFIX == -* ]] || compadd -- help serve trace conf dns nc ping rlogin traceroute wget services node socket cable echo discard chargen daytime time qotd http dhcp login
            ;;
        (nc)
            options=(
                '-l:listen, instead of connecting'
                '-k:with -l: when one connection is over, take the next'
                '-u:UDP instead of TCP'
                '-z:only see which ports are open: 20-30 are several'
                '-v:say what happens, on standard error'
                '-w:wait so long for a connection, and for anything to be said'
                '-N:tell the other side when standard input ends'
                '-q:as -N, and quit that long after; -1 never'
                '-d:do not read standard input'
                '-n:no names, neither asked for nor understood'
                '-p:the port to speak from; with -l the one to listen at'
                '-s:the address to speak from, or to listen at'
                '-C:send each newline as carriage return and newline'
                '-b:allow a broadcast address'
                '--json:one JSON document at the end instead of what came'
            )
            _describe -o -t options option options
            ;;
        (ping)
            options=(
                '-c:stop after COUNT replies'
                '-i:seconds between two probes (1)'
                '-W:seconds to wait for the last reply while none has come (10); 0 for ever'
                '-w:seconds after which to stop, whatever has come; 0 for none'
                '-s:bytes of data (56)'
                '-t:time to live of the probes'
                '-q:only the statistics'
                '-n:no names for addresses'
                '-D:a timestamp before each line'
                '-O:say so when a probe has no reply by the time of the next'
                '-b:allow a broadcast address'
                '--json:one JSON document at the end instead of text'
            )
            _describe -o -t options option options
            ;;
        (rlogin)
            options=(
                '-l:log in as USER'
                '-p:the server'\''s port, without which it is 513'
            )
            _describe -o -t options option options
            ;;
        (serve)
            [[ $PREFIX == -* ]] || compadd -- echo discard chargen daytime time qotd http dhcp dns login
            ;;
        (trace)
            options=(
                '-V:the whole tree of each frame instead of a line'
                '-x:the tree and the bytes of each frame'
                '-f:the tree and the bytes of that frame only'
                '-c:stop after COUNT frames'
                '-r:the file, as tcpdump and tshark are told it; - is standard input'
                '-n:accepted: names are never looked up'
                '--tcpdump:lines in tcpdump'\''s format'
                '--json:a JSON array of frames instead of text; with -V, -x or -f, their fields too'
            )
            _describe -o -t options option options
            [[ $PREFIX == -* ]] || _files
            ;;
        (traceroute)
            options=(
                '-I:ICMP echo requests as probes, instead of UDP datagrams'
                '-n:no names for addresses'
                '-m:the most hops there may be (30)'
                '-q:probes for each hop (3)'
                '-f:the hop to begin with (1)'
                '-N:probes on their way at once (16)'
                '-p:the first probe'\''s UDP port or ICMP sequence number (33434; 1)'
                '-w:seconds an answer is waited for (5); or MAX,HERE,NEAR (5,3,10): no more than HERE times as long as another of the same hop took, or NEAR times as long as one of a later hop'
                '-z:seconds between two probes at least (0); above 10 it means milliseconds'
                '--json:one JSON document at the end instead of text'
            )
            _describe -o -t options option options
            ;;
        (wget)
            options=(
                '-O:where to save, - for standard output (else the URL'\''s last segment)'
                '--output-document:where to save, - for standard output (else the URL'\''s last segment)'
                '-c:go on with the file that is there'
                '--continue:go on with the file that is there'
                '-q:print nothing'
                '--quiet:print nothing'
                '-nv:print a line for each file, and errors'
                '--no-verbose:print a line for each file, and errors'
                '-v:what is sent and received, as curl -v has it'
                '--verbose:what is sent and received, as curl -v has it'
                '-S:print the headers of the answers'
                '--server-response:print the headers of the answers'
                '--header:send this header too, or instead'
                '-T:wait so long for a connection and for each read (900)'
                '--timeout:wait so long for a connection and for each read (900)'
                '-t:try so often, 0 for ever (20)'
                '--tries:try so often, 0 for ever (20)'
                '--max-redirect:follow so many redirects (20)'
                '--json:one JSON document at the end instead of text'
                -h:this
                --help:this
            )
            _describe -o -t options option options
            ;;
        (*) _files ;;
    esac
}

if [[ ${funcstack[1]} == _node.py ]]; then
    _glasstack "$@"
else
    compdef _glasstack node.py
fi
