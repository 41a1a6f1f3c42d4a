#!/usr/bin/env escript
%% -*- erlang -*-
%%! -kernel logger_level error
%% Writes the <name>.etf of each entry of terms.txt that has none yet. To make one again, remove it first.
%% Run it under OTP 25 or later: escript tests/vectors/make_vectors.escript

main([]) ->
    Folder = filename:dirname(filename:absname(escript:script_name())),
    {ok, Text} = file:read_file(filename:join(Folder, "terms.txt")),
    [make(Folder, Entry) || Entry <- entries(lines(unicode:characters_to_list(Text)))],
    ok.

%% Without comments and empty lines.
lines(Text) ->
    [Line || Line <- string:split(Text, "\n", all), string:trim(Line) =/= "", hd(Line) =/= $#].

entries([Head, Erlang, _Python | Rest]) ->
    [Name | Flags] = string:lexemes(Head, " "),
    [{Name, Flags, Erlang} | entries(Rest)];
entries([]) ->
    [].

make(Folder, {Name, Flags, Erlang}) ->
    File = filename:join(Folder, Name ++ ".etf"),
    case filelib:is_regular(File) of
        true ->
            ok;
        false ->
            Bytes = encode(value(Name, Erlang), Flags),
            %% What the BEAM itself does not read back is of no use.
            _ = binary_to_term(Bytes),
            ok = file:write_file(File, Bytes),
            io:format("~ts~n", [File])
    end.

value(Name, Erlang) ->
    try
        {ok, Tokens, _} = erl_scan:string(Erlang ++ "."),
        {ok, Expressions} = erl_parse:parse_exprs(Tokens),
        {value, Value, _} = erl_eval:exprs(Expressions, []),
        Value
    catch
        Class:Reason ->
            io:format(standard_error, "~ts: ~p ~p~n", [Name, Class, Reason]),
            halt(1)
    end.

encode(Value, Flags) ->
    case lists:member("raw", Flags) of
        true -> Value;
        false -> term_to_binary(Value, [{minor_version, minor_version(Flags)}])
    end.

minor_version(Flags) ->
    case [Flag || "minor" ++ _ = Flag <- Flags] of
        ["minor0"] -> 0;
        ["minor1"] -> 1;
        [] -> 2
    end.
