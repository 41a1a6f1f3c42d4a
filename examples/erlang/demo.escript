#!/usr/bin/env escript
%%! -pa build
%% python_session at work, from the first value to the end of the process.

main([]) ->
    {ok, Session} = python_session:start_link(#{executable => executable()}),

    io:format("a value: ~p~n", [python_session:eval(Session, "2 ** 64")]),
    io:format("bindings: ~p~n", [python_session:eval(Session, "sum(xs) / len(xs)", #{xs => [1, 2, 6]})]),

    {ok, nil} = python_session:eval(Session, "def shout(text): return text.upper() + '!'"),
    io:format("a call: ~p~n", [python_session:call(Session, <<"shout">>, [<<"hello">>])]),
    io:format("a call into a module: ~p~n", [python_session:call(Session, <<"math.hypot">>, [3, 4])]),

    {error, #{type := Type, message := Message}} = python_session:eval(Session, "int('seven')"),
    io:format("an exception: ~ts: ~ts~n", [Type, Message]),

    ok = python_session:stop(Session),
    io:format("stopped~n"),
    crash().

%% The end of a process is an error for its caller, and the exit of the gen_server for those linked to it.
crash() ->
    process_flag(trap_exit, true),
    {ok, Session} = python_session:start_link(#{executable => executable()}),
    io:format("a crash: ~p~n", [python_session:call(Session, <<"os._exit">>, [3])]),
    receive
        {'EXIT', Session, Reason} -> io:format("the session ended: ~p~n", [Reason])
    end.

executable() ->
    Found = [Path || Path <- [os:getenv("PYTHONX_PORT"), "build/pythonx_port", os:find_executable("pythonx_port")],
                     Path =/= false, filelib:is_file(Path)],
    case Found of
        [Executable | _] -> Executable;
        [] -> error("pythonx_port was not found: run `make`, or set PYTHONX_PORT to its path")
    end.
