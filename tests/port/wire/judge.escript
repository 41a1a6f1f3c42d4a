#!/usr/bin/env escript
%% -*- mode: erlang -*-
%% judge.escript TERMS RESULTS: reads terms (each behind 4 bytes of length, without version byte) and writes for each
%% what a BEAM does with it: 0, or 1 and, behind 4 bytes of length, the term as the BEAM itself writes it.

-mode(compile).

main([Terms, Results]) ->
    {ok, Bytes} = file:read_file(Terms),
    ok = file:write_file(Results, [judge(Term) || <<Length:32, Term:Length/binary>> <= Bytes]).

judge(Term) ->
    try binary_to_term(<<131, Term/binary>>, [used]) of
        {Value, Used} when Used =:= byte_size(Term) + 1 ->
            <<131, Written/binary>> = term_to_binary(Value),
            <<1, (byte_size(Written)):32, Written/binary>>;
        _ ->
            <<0>>
    catch
        error:badarg -> <<0>>
    end.
