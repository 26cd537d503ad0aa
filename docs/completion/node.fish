# Completion for fish, made by `make docs`: source docs/completion/node.fish

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
            case --link -g --gateway --dns --search --set --seed --trace-format -w --pcap --color -c --config
                set option $word
            case --trace
                set optional 1
                continue
            case '-*'
            case conf dns help nc ping rlogin serve trace traceroute wget
                echo $word
                return
            case '*'
                if test -z "$optional"; and not string match -qr -- '^[0-9a-fA-F.:]*[.:][0-9a-fA-F.:]*(/[0-9]*)?$' $word
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
complete -c node.py -n '__glasstack_at ""; and string match -q -- --trace (commandline -opc)[-1]' -a 'tcp udp icmp arp ip'
complete -c node.py -n '__glasstack_at ""' -a conf -d 'every setting of the stack, to look at and to set'
complete -c node.py -n '__glasstack_at ""' -a dns -d 'ask a name server, as dig does'
complete -c node.py -n '__glasstack_at ""' -a help -d 'this list; help ping has more about ping'
complete -c node.py -n '__glasstack_at ""' -a nc -d 'talk to a port, or listen at one'
complete -c node.py -n '__glasstack_at ""' -a ping -d 'send ICMP echo requests to a host'
complete -c node.py -n '__glasstack_at ""' -a rlogin -d 'a terminal on another host (RFC 1282)'
complete -c node.py -n '__glasstack_at ""' -a serve -d 'services in the foreground until Ctrl-C: serve echo http:8080'
complete -c node.py -n '__glasstack_at ""' -a trace -d 'a capture file\'s packets: trace x.pcapng \'tcp port 80\''
complete -c node.py -n '__glasstack_at ""' -a traceroute -d 'find the routers on the way to a host'
complete -c node.py -n '__glasstack_at ""' -a wget -d 'fetch a file over http'
complete -c node.py -n '__glasstack_at ""' -o dhcp -d 'an address from a DHCP server'
complete -c node.py -n '__glasstack_at ""' -l link -x -a 'lab sim tap: packet: (__glasstack_links)' -d 'tap:NAME, packet:INTERFACE, lab (a Linux kernel of its own), sim (no kernel at all)'
complete -c node.py -n '__glasstack_at ""' -s g -l gateway -x -d 'where packets for other networks go'
complete -c node.py -n '__glasstack_at ""' -l dns -x -d 'a name server; several with commas between them'
complete -c node.py -n '__glasstack_at ""' -l search -x -d 'where names without a dot are sought'
complete -c node.py -n '__glasstack_at ""' -l set -x -a 'ip_default_ttl= arp_reachable_time= arp_retrans_timer= arp_max_requests= arp_delay_first_probe= arp_queue_bytes= arp_cache_size= acd_probe_wait= acd_probe_num= acd_probe_interval= acd_announce_wait= acd_announce_num= acd_announce_interval= acd_defend_interval= icmp_rate= icmp_burst= icmp_echo_ignore_all= udp_rcvbuf= tcp_rcvbuf= tcp_sndbuf= tcp_initial_rto= tcp_min_rto= tcp_max_rto= tcp_syn_retries= tcp_synack_retries= tcp_retries= tcp_orphan_retries= tcp_msl= tcp_fin_timeout= tcp_max_tw_buckets= tcp_max_orphans= tcp_delayed_ack= tcp_initial_cwnd= tcp_dupacks= tcp_keepalive_time= tcp_keepalive_interval= tcp_keepalive_probes= tcp_max_syn_backlog= tcp_challenge_ack_limit= tcp_max_out_of_order= dhcp_start_wait= dhcp_timeout= dhcp_retry= dhcp_retry_max= dhcp_request_tries= dhcp_reboot_tries= dhcp_renew_wait= dhcp_decline_wait= dns_timeout= dns_attempts= dns_ndots= dns_edns_size= dns_cache_size= dns_max_ttl= dns_max_negative_ttl= port_low= port_high=' -d 'a setting of the stack: --set tcp_msl=1; ./node.py conf lists them'
complete -c node.py -n '__glasstack_at ""' -l seed -x -d 'the same random numbers each time'
complete -c node.py -n '__glasstack_at ""' -l trace -d 'show each packet, or those a filter lets through: tcp, \'host 10.0.0.1 and port 80\' ...'
complete -c node.py -n '__glasstack_at ""' -l trace-format -x -a 'columns tcpdump tree' -d 'columns as tshark has them, tcpdump, or tree for every field'
complete -c node.py -n '__glasstack_at ""' -s w -l pcap -r -F -d 'write a capture of every packet; - is standard output, the rest is on standard error then'
complete -c node.py -n '__glasstack_at ""' -l color -x -a 'auto always never' -d 'auto, always or never'
complete -c node.py -n '__glasstack_at ""' -s q -l quiet -d 'no banner'
complete -c node.py -n '__glasstack_at ""' -s c -x -d 'run CODE'
complete -c node.py -n '__glasstack_at ""' -s i -d 'stay at the prompt afterwards'
complete -c node.py -n '__glasstack_at ""' -l config -r -F -d 'read FILE, not ./glasstack.toml and ~/.config/glasstack/config.toml'
complete -c node.py -n '__glasstack_at ""' -l no-config -d 'read neither'
complete -c node.py -n '__glasstack_at ""' -l print-config -d 'an example of such a file, with every setting there is'
complete -c node.py -n '__glasstack_at ""' -s V -l version -d 'the version'
complete -c node.py -n '__glasstack_at ""' -s h -l help -d 'this; --help ping is about ping'
complete -c node.py -n '__glasstack_at conf' -l json -d 'one JSON document instead of text'
complete -c node.py -n '__glasstack_at conf' -a 'address dhcp link gateway dns search trace trace_format pcap color seed quiet history ip_default_ttl arp_reachable_time arp_retrans_timer arp_max_requests arp_delay_first_probe arp_queue_bytes arp_cache_size acd_probe_wait acd_probe_num acd_probe_interval acd_announce_wait acd_announce_num acd_announce_interval acd_defend_interval icmp_rate icmp_burst icmp_echo_ignore_all udp_rcvbuf tcp_rcvbuf tcp_sndbuf tcp_initial_rto tcp_min_rto tcp_max_rto tcp_syn_retries tcp_synack_retries tcp_retries tcp_orphan_retries tcp_msl tcp_fin_timeout tcp_max_tw_buckets tcp_max_orphans tcp_delayed_ack tcp_initial_cwnd tcp_dupacks tcp_keepalive_time tcp_keepalive_interval tcp_keepalive_probes tcp_max_syn_backlog tcp_challenge_ack_limit tcp_max_out_of_order dhcp_start_wait dhcp_timeout dhcp_retry dhcp_retry_max dhcp_request_tries dhcp_reboot_tries dhcp_renew_wait dhcp_decline_wait dns_timeout dns_attempts dns_ndots dns_edns_size dns_cache_size dns_max_ttl dns_max_negative_ttl port_low port_high'
complete -c node.py -n '__glasstack_at dns' -s t -x -d 'A, AAAA, CNAME, PTR, MX, NS, SOA, TXT, SRV, ANY, TYPE123 ...'
complete -c node.py -n '__glasstack_at dns' -s c -x -d 'IN, CH ...'
complete -c node.py -n '__glasstack_at dns' -s q -x -d 'look up NAME, whatever it looks like'
complete -c node.py -n '__glasstack_at dns' -s x -x -d 'look up the names of ADDRESS'
complete -c node.py -n '__glasstack_at dns' -s p -x -d 'the server\'s port, without which it is 53'
complete -c node.py -n '__glasstack_at dns' -a '+short' -d 'nothing but the answers'
complete -c node.py -n '__glasstack_at dns' -a '+tcp' -d 'ask over TCP'
complete -c node.py -n '__glasstack_at dns' -a '+time=' -d 'wait so long for each try (5)'
complete -c node.py -n '__glasstack_at dns' -a '+tries=' -d 'ask each server so often (3)'
complete -c node.py -n '__glasstack_at dns' -a '+norecurse' -d 'do not have the server ask others'
complete -c node.py -n '__glasstack_at dns' -a '+bufsize=' -d 'bytes of answer that are welcome over UDP'
complete -c node.py -n '__glasstack_at dns' -a '+noedns' -d 'ask without EDNS'
complete -c node.py -n '__glasstack_at dns' -a '+noall' -d 'show nothing but what is asked for behind it'
complete -c node.py -n '__glasstack_at dns' -a '+answer' -d 'show the answers; so +cmd +comments +question +authority +additional +stats'
complete -c node.py -n '__glasstack_at dns' -l json -d 'one JSON document'
complete -c node.py -n '__glasstack_at help' -a 'help serve trace conf dns nc ping rlogin traceroute wget services node socket cable echo discard chargen daytime time qotd http dhcp login'
complete -c node.py -n '__glasstack_at nc' -s l -d 'listen, instead of connecting'
complete -c node.py -n '__glasstack_at nc' -s k -d 'with -l: when one connection is over, take the next'
complete -c node.py -n '__glasstack_at nc' -s u -d 'UDP instead of TCP'
complete -c node.py -n '__glasstack_at nc' -s z -d 'only see which ports are open: 20-30 are several'
complete -c node.py -n '__glasstack_at nc' -s v -d 'say what happens, on standard error'
complete -c node.py -n '__glasstack_at nc' -s w -x -d 'wait so long for a connection, and for anything to be said'
complete -c node.py -n '__glasstack_at nc' -s N -d 'tell the other side when standard input ends'
complete -c node.py -n '__glasstack_at nc' -s q -x -d 'as -N, and quit that long after; -1 never'
complete -c node.py -n '__glasstack_at nc' -s d -d 'do not read standard input'
complete -c node.py -n '__glasstack_at nc' -s n -d 'no names, neither asked for nor understood'
complete -c node.py -n '__glasstack_at nc' -s p -x -d 'the port to speak from; with -l the one to listen at'
complete -c node.py -n '__glasstack_at nc' -s s -x -d 'the address to speak from, or to listen at'
complete -c node.py -n '__glasstack_at nc' -s C -d 'send each newline as carriage return and newline'
complete -c node.py -n '__glasstack_at nc' -s b -d 'allow a broadcast address'
complete -c node.py -n '__glasstack_at nc' -l json -d 'one JSON document at the end instead of what came'
complete -c node.py -n '__glasstack_at ping' -s c -x -d 'stop after COUNT replies'
complete -c node.py -n '__glasstack_at ping' -s i -x -d 'seconds between two probes (1)'
complete -c node.py -n '__glasstack_at ping' -s W -x -d 'seconds to wait for the last reply while none has come (10); 0 for ever'
complete -c node.py -n '__glasstack_at ping' -s w -x -d 'seconds after which to stop, whatever has come; 0 for none'
complete -c node.py -n '__glasstack_at ping' -s s -x -d 'bytes of data (56)'
complete -c node.py -n '__glasstack_at ping' -s t -x -d 'time to live of the probes'
complete -c node.py -n '__glasstack_at ping' -s q -d 'only the statistics'
complete -c node.py -n '__glasstack_at ping' -s n -d 'no names for addresses'
complete -c node.py -n '__glasstack_at ping' -s D -d 'a timestamp before each line'
complete -c node.py -n '__glasstack_at ping' -s O -d 'say so when a probe has no reply by the time of the next'
complete -c node.py -n '__glasstack_at ping' -s b -d 'allow a broadcast address'
complete -c node.py -n '__glasstack_at ping' -l json -d 'one JSON document at the end instead of text'
complete -c node.py -n '__glasstack_at rlogin' -s l -x -d 'log in as USER'
complete -c node.py -n '__glasstack_at rlogin' -s p -x -d 'the server\'s port, without which it is 513'
complete -c node.py -n '__glasstack_at serve' -a 'echo discard chargen daytime time qotd http dhcp dns login'
complete -c node.py -n '__glasstack_at trace' -s V -d 'the whole tree of each frame instead of a line'
complete -c node.py -n '__glasstack_at trace' -s x -d 'the tree and the bytes of each frame'
complete -c node.py -n '__glasstack_at trace' -s f -x -d 'the tree and the bytes of that frame only'
complete -c node.py -n '__glasstack_at trace' -s c -x -d 'stop after COUNT frames'
complete -c node.py -n '__glasstack_at trace' -s r -r -F -d 'the file, as tcpdump and tshark are told it; - is standard input'
complete -c node.py -n '__glasstack_at trace' -s n -d 'accepted: names are never looked up'
complete -c node.py -n '__glasstack_at trace' -l tcpdump -d 'lines in tcpdump\'s format'
complete -c node.py -n '__glasstack_at trace' -l json -d 'a JSON array of frames instead of text; with -V, -x or -f, their fields too'
complete -c node.py -n '__glasstack_at trace' -F
complete -c node.py -n '__glasstack_at traceroute' -s I -d 'ICMP echo requests as probes, instead of UDP datagrams'
complete -c node.py -n '__glasstack_at traceroute' -s n -d 'no names for addresses'
complete -c node.py -n '__glasstack_at traceroute' -s m -x -d 'the most hops there may be (30)'
complete -c node.py -n '__glasstack_at traceroute' -s q -x -d 'probes for each hop (3)'
complete -c node.py -n '__glasstack_at traceroute' -s f -x -d 'the hop to begin with (1)'
complete -c node.py -n '__glasstack_at traceroute' -s N -x -d 'probes on their way at once (16)'
complete -c node.py -n '__glasstack_at traceroute' -s p -x -d 'the first probe\'s UDP port or ICMP sequence number (33434; 1)'
complete -c node.py -n '__glasstack_at traceroute' -s w -x -d 'seconds an answer is waited for (5); or MAX,HERE,NEAR (5,3,10): no more than HERE times as long as another of the same hop took, or NEAR times as long as one of a later hop'
complete -c node.py -n '__glasstack_at traceroute' -s z -x -d 'seconds between two probes at least (0); above 10 it means milliseconds'
complete -c node.py -n '__glasstack_at traceroute' -l json -d 'one JSON document at the end instead of text'
complete -c node.py -n '__glasstack_at wget' -s O -l output-document -r -F -d 'where to save, - for standard output (else the URL\'s last segment)'
complete -c node.py -n '__glasstack_at wget' -s c -l continue -d 'go on with the file that is there'
complete -c node.py -n '__glasstack_at wget' -s q -l quiet -d 'print nothing'
complete -c node.py -n '__glasstack_at wget' -o nv -l no-verbose -d 'print a line for each file, and errors'
complete -c node.py -n '__glasstack_at wget' -s v -l verbose -d 'what is sent and received, as curl -v has it'
complete -c node.py -n '__glasstack_at wget' -s S -l server-response -d 'print the headers of the answers'
complete -c node.py -n '__glasstack_at wget' -l header -x -d 'send this header too, or instead'
complete -c node.py -n '__glasstack_at wget' -s T -l timeout -x -d 'wait so long for a connection and for each read (900)'
complete -c node.py -n '__glasstack_at wget' -s t -l tries -x -d 'try so often, 0 for ever (20)'
complete -c node.py -n '__glasstack_at wget' -l max-redirect -x -d 'follow so many redirects (20)'
complete -c node.py -n '__glasstack_at wget' -l json -d 'one JSON document at the end instead of text'
complete -c node.py -n '__glasstack_at wget' -s h -l help -d 'this'
