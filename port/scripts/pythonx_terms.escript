%% Turns Erlang terms as text into frames, and frames into text: `pythonx_port encode` and `pythonx_port decode`.
%%
%% The launcher runs it in an emulator of its own (port/launcher/terms.c), with the name of the command as its argument.
%% Nothing else in that emulator reads standard input or writes to standard output.

%% OTP 27 and later would compile this file first, which takes longer than most inputs.
-mode(interpret).

%% Bytes of one read.
-define(READ_MAX, 1048576).
%% Bytes of a binary that are printed at a time.
-define(PRINT_MAX, 65536).
-define(FRAME_MAX, 16#FFFFFFFF).

main([Command]) ->
    %% Otherwise the emulator stops all applications first, which takes a second.
    os:set_signal(sigterm, default),
    put(command, Command),
    put(errors, descriptor(2, write)),
    In = descriptor(0, read),
    Out = descriptor(1, write),
    case Command of
        "encode" -> encode(In, Out);
        "decode" -> decode(In, Out)
    end,
    halt(case get(refused) of true -> 1; undefined -> 0 end).

%% Reads and writes wait until all bytes have come, or are written, and return their errors. A port for the descriptor
%% would read ahead without bound, and /dev/stdin cannot be a socket or go on in the middle of a file. The descriptor is
%% closed after the last use of the file that is returned.
descriptor(Number, Mode) ->
    {ok, File} = prim_file:file_desc_to_ref(Number, [Mode, raw, binary]),
    File.

%% Calls Step with the state that the last call returned, until it returns `done`. A function that calls itself would
%% keep its variables: in interpreted code, only the call of a fun is a tail call.
iterate(Step, Start) ->
    Loop = fun
        Loop(done) -> ok;
        Loop(State) -> Loop(Step(State))
    end,
    Loop(Start).

%% -- encode ----------------------------------------------------------------------------------------------------------

encode(In, Out) ->
    iterate(fun({Result, Text}) -> scanned(Result, Text, Out) end, {scan([], [], {1, 1}), {In, <<>>, 1}}).

scan(Scanner, Characters, Location) ->
    erl_scan:tokens(Scanner, Characters, Location).

%% The scanner needs one character after a full stop, so a term is written as soon as its line has been read. After a
%% mistake it goes on behind the next full stop.
scanned({more, Scanner}, Text, _Out) ->
    {Characters, Rest} = read_text(Text),
    {scan(Scanner, Characters, {1, 1}), Rest};
scanned({done, {eof, _Location}, _Characters}, _Text, _Out) ->
    done;
scanned({done, Result, Characters}, Text, Out) ->
    End = element(3, Result),
    case parse(Result) of
        {ok, Term} -> write_frame(Out, term_to_binary(Term, [{minor_version, 2}]), End);
        {error, Error} -> refuse_text(Error)
    end,
    {scan([], Characters, End), Text}.

parse({ok, Tokens, End}) ->
    case lists:last(Tokens) of
        {dot, _} -> erl_parse:parse_term(Tokens);
        _ -> {error, {End, none, "expected a full stop ('.' and white space), got the end of the text"}}
    end;
parse({error, Error, _End}) ->
    {error, Error}.

write_frame(Out, Bytes, _End) when byte_size(Bytes) =< ?FRAME_MAX ->
    write(Out, [<<(byte_size(Bytes)):32>>, Bytes]);
write_frame(_Out, _Bytes, End) ->
    refuse_text({End, none, "a term too long for a frame of 4294967295 bytes"}).

refuse_text({Location, Module, Description}) ->
    Text = case Module of
        none -> Description;
        _ -> Module:format_error(Description)
    end,
    refuse("line ~p, column ~p: ~ts", [erl_anno:line(Location), erl_anno:column(Location), Text]).

%% Returns the next characters, or `eof`. The state is the file, the bytes of an incomplete character, and the number of
%% the line; or the line with bytes that are no text. The launcher passes text on in pieces: 4 bytes of length and the
%% bytes; the last piece is empty.
read_text({In, Begun, Line}) ->
    case take(In, take_size(In)) of
        <<>> when Begun =:= <<>> -> {eof, {In, Begun, Line}};
        <<>> -> read_text({wrong, Line});
        Bytes -> characters(unicode:characters_to_list([Begun, Bytes]), In, Line)
    end;
read_text({wrong, Line}) ->
    stop("line ~p: a byte that is not UTF-8", [Line]).

take_size(In) ->
    case take(In, 4) of
        <<Size:32>> -> Size;
        %% The launcher could not read, and has reported why.
        _ -> halt(1)
    end.

characters({incomplete, Characters, Begun}, In, Line) ->
    {Characters, {In, Begun, Line + newlines(Characters)}};
characters({error, Characters, _Bytes}, _In, Line) ->
    {Characters, {wrong, Line + newlines(Characters)}};
characters(Characters, In, Line) ->
    {Characters, {In, <<>>, Line + newlines(Characters)}}.

newlines(Characters) ->
    length(binary:matches(unicode:characters_to_binary(Characters), <<"\n">>)).

%% -- decode ----------------------------------------------------------------------------------------------------------

decode(In, Out) ->
    iterate(fun(Number) -> decode_next(In, Out, Number) end, 1).

decode_next(In, Out, Number) ->
    case take(In, 4) of
        <<Size:32>> -> decode_frame(take(In, Size), Size, Out, Number);
        <<>> -> done;
        _ -> cut(Number)
    end.

decode_frame(Frame, Size, _Out, Number) when byte_size(Frame) < Size ->
    cut(Number);
decode_frame(Frame, Size, Out, Number) ->
    try binary_to_term(Frame, [used]) of
        {Term, Size} when Size =< ?PRINT_MAX ->
            write(Out, [text(Term), $\n]);
        {Term, Size} ->
            print(Out, Term),
            write(Out, "\n");
        {_Term, Used} ->
            refuse("frame ~p, byte ~p: the frame goes on after its term", [Number, Used + 1])
    catch
        error:badarg -> refuse("frame ~p: ~ts", [Number, what_is_wrong(Frame)])
    end,
    Number + 1.

cut(Number) ->
    stop("frame ~p: the input ends inside the frame", [Number]).

what_is_wrong(<<>>) -> "the frame is empty";
what_is_wrong(<<131, _/binary>>) -> "a term that cannot be decoded";
what_is_wrong(_) -> "expected the version byte 131".

%% Reads that many bytes, or fewer at the end of the input.
take(In, Size) -> take(In, Size, []).

take(_In, 0, Taken) ->
    iolist_to_binary(lists:reverse(Taken));
take(In, Missing, Taken) ->
    case read(In, min(Missing, ?READ_MAX)) of
        {ok, Bytes} -> take(In, Missing - byte_size(Bytes), [Bytes | Taken]);
        eof -> take(In, 0, Taken)
    end.

%% Prints as ~0tp does, except that a large binary is printed as strings of some length, <<"abc","\000\377">>. In one
%% piece it would take io_lib some 80 bytes of memory for each byte, and as numbers the parser 1,600.
print(Out, Term) ->
    case has_large_binary(Term) of
        true -> print_parts(Out, Term);
        false -> write(Out, text(Term))
    end.

%% Large binaries are not on the heap, so they are part of only one of these two sizes.
has_large_binary(Term) ->
    erlang:external_size(Term) > ?PRINT_MAX + 16 * erts_debug:flat_size(Term).

print_parts(Out, Bits) when is_bitstring(Bits) ->
    write(Out, "<<"),
    print_sequence(fun(Piece) -> write(Out, piece_text(Piece)) end, Out, pieces(Bits)),
    write(Out, ">>");
print_parts(Out, Tuple) when is_tuple(Tuple) ->
    print_between(Out, "{", tuple_to_list(Tuple), "}");
print_parts(Out, List) when length(List) > 0 ->
    print_between(Out, "[", List, "]");
print_parts(Out, Map) when is_map(Map) ->
    Pair = fun({Key, Value}) -> print(Out, Key), write(Out, " => "), print(Out, Value) end,
    write(Out, "#{"),
    print_sequence(Pair, Out, maps:to_list(Map)),
    write(Out, "}");
print_parts(Out, Term) ->
    write(Out, text(Term)).

print_between(Out, Open, Terms, Close) ->
    write(Out, Open),
    print_sequence(fun(Term) -> print(Out, Term) end, Out, Terms),
    write(Out, Close).

print_sequence(Print, Out, Elements) ->
    Next = fun(Element, Separator) -> write(Out, Separator), Print(Element), "," end,
    lists:foldl(Next, "", Elements).

text(Term) ->
    unicode:characters_to_binary(io_lib:format("~0tp", [Term])).

piece_text(Piece) ->
    case text(Piece) of
        <<"<<", Number, _/binary>> when Number =/= $", is_binary(Piece) ->
            unicode:characters_to_binary(io_lib:write_latin1_string(binary_to_list(Piece)));
        Text ->
            binary:part(Text, 2, byte_size(Text) - 4)
    end.

%% Cuts between characters, if they are UTF-8.
pieces(Bits) when bit_size(Bits) =< 8 * ?PRINT_MAX ->
    [Bits];
pieces(Bits) ->
    Size = character_start(Bits, ?PRINT_MAX),
    <<Piece:Size/binary, Rest/bits>> = Bits,
    [Piece | pieces(Rest)].

character_start(Bits, At) ->
    case Bits of
        <<_:At/binary, 2:2, _/bits>> when At > ?PRINT_MAX - 3 -> character_start(Bits, At - 1);
        _ -> At
    end.

%% -- both ------------------------------------------------------------------------------------------------------------

read(In, Size) ->
    case file:read(In, Size) of
        {error, Reason} -> stop("cannot read: ~ts", [file:format_error(Reason)]);
        Result -> Result
    end.

write(Out, Bytes) ->
    case file:write(Out, Bytes) of
        ok -> ok;
        %% The reader has all that it wanted.
        {error, epipe} -> halt(1);
        {error, Reason} -> stop("cannot write: ~ts", [file:format_error(Reason)])
    end.

%% Reports a mistake; the exit status will be 1.
refuse(Format, Arguments) ->
    put(refused, true),
    Line = io_lib:format("pythonx_port ~ts: " ++ Format ++ "~n", [get(command) | Arguments]),
    file:write(get(errors), unicode:characters_to_binary(Line)).

stop(Format, Arguments) ->
    refuse(Format, Arguments),
    halt(1).
