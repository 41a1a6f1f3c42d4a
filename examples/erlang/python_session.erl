%% A Python process as a gen_server: one module, no dependencies.
-module(python_session).
-behaviour(gen_server).

-export([start_link/1, eval/2, eval/3, call/3, stop/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-export_type([options/0, result/0]).

-define(START_TIMEOUT, 10000).

%% `executable': the port program, found on PATH by default. `args': its command line, such as ["--python", Path].
-type options() :: #{executable => file:filename_all(), args => [string()]}.

%% An error is the map of the protocol, or says that the process ended.
-type result() :: {ok, term()} | {error, map() | {exit_status, non_neg_integer()}}.

%% waiting: the caller of each request that has no reply yet.
-record(state, {port :: port(),
                last_id = 0 :: non_neg_integer(),
                waiting = #{} :: #{pos_integer() => gen_server:from()}}).

%% Returns when Python is ready.
-spec start_link(options()) -> gen_server:start_ret().
start_link(Options) ->
    gen_server:start_link(?MODULE, Options, []).

%% The value of the last expression in Code. Names that it defines stay for later code.
-spec eval(gen_server:server_ref(), unicode:chardata()) -> result().
eval(Session, Code) ->
    eval(Session, Code, #{}).

%% The same, with Bindings, a map from names to values, assigned first.
-spec eval(gen_server:server_ref(), unicode:chardata(), #{binary() | atom() => term()}) -> result().
eval(Session, Code, Bindings) ->
    request(Session, {eval, unicode:characters_to_binary(Code), #{bindings => Bindings}}).

%% Calls a function of the session or, as in <<"math.hypot">>, of a module.
-spec call(gen_server:server_ref(), binary(), [term()]) -> result().
call(Session, Function, Args) ->
    request(Session, {call, Function, Args}).

%% Lets Python finish what it was asked for before; returns when its process has ended.
-spec stop(gen_server:server_ref()) -> ok.
stop(Session) ->
    Monitor = monitor(process, Session),
    {ok, nil} = request(Session, {stop}),
    receive {'DOWN', Monitor, process, _, _} -> ok end.

request(Session, Request) ->
    gen_server:call(Session, Request, infinity).

init(Options) ->
    Port = open_port({spawn_executable, executable(Options)},
                     [{packet, 4}, binary, exit_status, {args, maps:get(args, Options, [])}]),
    receive
        {Port, {data, Frame}} ->
            {ready, #{protocol := 1}} = binary_to_term(Frame),
            {ok, #state{port = Port}};
        {Port, {exit_status, Status}} ->
            {stop, {exit_status, Status}}
    after ?START_TIMEOUT ->
        {stop, timeout}
    end.

executable(#{executable := Executable}) ->
    Executable;
executable(#{}) ->
    case os:find_executable("pythonx_port") of
        false -> error({not_on_path, "pythonx_port"});
        Executable -> Executable
    end.

%% Requests go out as they come; Python runs them in order. Each gets the next number as its id.
handle_call(Request, From, State = #state{port = Port, waiting = Waiting}) ->
    Id = State#state.last_id + 1,
    port_command(Port, term_to_binary(erlang:insert_element(2, Request, Id))),
    {noreply, State#state{last_id = Id, waiting = Waiting#{Id => From}}}.

handle_cast(_Request, State) ->
    {noreply, State}.

handle_info({Port, {data, Frame}}, State = #state{port = Port}) ->
    {noreply, handle_term(binary_to_term(Frame), State)};
handle_info({Port, {exit_status, Status}}, State = #state{port = Port, waiting = Waiting}) ->
    [gen_server:reply(From, {error, {exit_status, Status}}) || From <- maps:values(Waiting)],
    {stop, stop_reason(Status), State#state{waiting = #{}}}.

stop_reason(0) -> normal;
stop_reason(Status) -> {shutdown, {exit_status, Status}}.

handle_term({ok, Id, Value}, State) ->
    answer(Id, {ok, Value}, State);
handle_term({error, Id, Error}, State) ->
    answer(Id, {error, Error}, State);
handle_term({output, _Id, _Stream, Text}, State) ->
    io:put_chars(Text),
    State;
handle_term(_OtherEvent, State) ->
    State.

answer(Id, Result, State = #state{waiting = Waiting}) ->
    {From, Rest} = maps:take(Id, Waiting),
    gen_server:reply(From, Result),
    State#state{waiting = Rest}.
