#!/usr/bin/env escript
%% Measures round trips over open_port: the port program against a program that only echoes frames of the same size, in
%% turns.
%%
%% usage: round_trip.escript PROGRAM PYTHON ECHO LABEL CPU [USEC ...]
%%
%% Both programs run on the named CPU. A trip between two CPUs is mostly the waking of an idle CPU, one within a CPU is
%% mostly the work of the two programs; left alone, they change from one to the other by chance. The port is measured
%% without --spin and with each USEC.
%%
%% Prints a line for each round of each measurement: its name, the seconds of a round trip through the port, and those
%% through the echo. The lines that begin with "CPU" contain CPU time instead: of the port with --spin beside the port
%% without.
-mode(compile).

-define(ROUNDS, 120).
-define(TRIPS, 100). % in a round
-define(CPU_ROUNDS, 10).
-define(PACED, 30). % requests in such a round
-define(PACE_MS, 2).
-define(REPLY_TIMEOUT_MS, 10000).

main([Program, Python, Echo, Label, Cpu | Spins]) ->
    EchoPort = open(Cpu, Echo, []),
    Ports = [{Spin, start(Cpu, Program, Python, Spin)} || Spin <- ["0" | Spins]],
    [begin trips(Port, Request, Reply, ?TRIPS), trips(EchoPort, Request, Request, ?TRIPS) end
     || {_, Port} <- Ports, {_, Request, Reply} <- requests()],
    [measure_round([Name, ", ", Label, spin_label(Spin)], Port, EchoPort, Request, Reply)
     || _ <- lists:seq(1, ?ROUNDS), {Name, Request, Reply} <- requests(), {Spin, Port} <- Ports],
    Spins =:= [] orelse tell_cpu(Ports);
main(_) ->
    io:format(standard_error, "usage: round_trip.escript PROGRAM PYTHON ECHO LABEL CPU [USEC ...]~n", []),
    halt(2).

requests() ->
    [{"eval 1+1", {eval, 1, <<"1+1">>}, {ok, 1, 2}},
     {"call add(1, 2)", {call, 2, <<"add">>, [1, 2]}, {ok, 2, 3}}].

%% -- ports -----------------------------------------------------------------------------------------------------------

open(Cpu, Program, Arguments) ->
    open_port({spawn_executable, os:find_executable("taskset")},
              [{args, ["-c", Cpu, Program | Arguments]}, {packet, 4}, binary, exit_status]).

start(Cpu, Program, Python, Spin) ->
    Port = open(Cpu, Program, ["--python", Python, "--spin", Spin]),
    {ready, _} = next_term(Port),
    trips(Port, {exec, 0, <<"def add(a, b):\n    return a + b\n">>}, {ok, 0, nil}, 1),
    Port.

next_term(Port) ->
    receive
        {Port, {data, Frame}} -> binary_to_term(Frame);
        {Port, {exit_status, Status}} -> error({exit_status, Status})
    after ?REPLY_TIMEOUT_MS -> error(no_answer)
    end.

%% One after the other; each reply must be the expected one.
trips(_, _, _, 0) ->
    ok;
trips(Port, Request, Reply, Count) ->
    port_command(Port, term_to_binary(Request)),
    case next_term(Port) of
        Reply -> trips(Port, Request, Reply, Count - 1);
        Other -> error({unexpected, Other})
    end.

%% -- time ------------------------------------------------------------------------------------------------------------

measure_round(Label, Port, EchoPort, Request, Reply) ->
    Ours = trip_time(Port, Request, Reply),
    Echo = trip_time(EchoPort, Request, Request),
    tell(Label, Ours, Echo).

trip_time(Port, Request, Reply) ->
    Start = erlang:monotonic_time(nanosecond),
    trips(Port, Request, Reply, ?TRIPS),
    (erlang:monotonic_time(nanosecond) - Start) / ?TRIPS / 1.0e9.

spin_label("0") -> "";
spin_label(Spin) -> [", --spin ", Spin].

tell(Label, Ours, Baseline) ->
    io:format("~s\t~.9f\t~.9f~n", [Label, Ours, Baseline]).

%% -- CPU time --------------------------------------------------------------------------------------------------------

%% Requests that come apart from each other, since spinning costs most if no next request is near; then none.
tell_cpu([{_, Plain} | Spinning]) ->
    [tell(["CPU of an eval", spin_label(Spin)], eval_cpu(Port), eval_cpu(Plain))
     || _ <- lists:seq(1, ?CPU_ROUNDS), {Spin, Port} <- Spinning],
    {Spin, Port} = lists:last(Spinning),
    tell(["CPU of an idle second", spin_label(Spin)], idle_cpu(Port), idle_cpu(Plain)).

eval_cpu(Port) ->
    [{_, Request, Reply} | _] = requests(),
    Before = cpu_time(Port),
    [begin trips(Port, Request, Reply, 1), timer:sleep(?PACE_MS) end || _ <- lists:seq(1, ?PACED)],
    (cpu_time(Port) - Before) / ?PACED.

idle_cpu(Port) ->
    Before = cpu_time(Port),
    timer:sleep(1000),
    cpu_time(Port) - Before.

%% Seconds on a CPU of all threads of the port's process: the first number of proc(5)'s schedstat, in nanoseconds.
cpu_time(Port) ->
    {os_pid, Pid} = erlang:port_info(Port, os_pid),
    Files = filelib:wildcard("/proc/" ++ integer_to_list(Pid) ++ "/task/*/schedstat"),
    lists:sum([nanoseconds(File) || File <- Files]) / 1.0e9.

nanoseconds(File) ->
    {ok, Text} = file:read_file(File),
    [Number | _] = binary:split(Text, <<" ">>),
    binary_to_integer(Number).
