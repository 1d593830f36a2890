// The contract between xhost and its plugins, generated from its WIT files by tests/typescript.rs: never edit it.
//
// A `result` is returned as its value; its error is thrown. Numbers of every width are numbers, as QuickJS has them.

declare module "xhost:plugin" {
  /** How much a line matters. */
  export type Level = "debug" | "info" | "warn" | "error";

  /** A JSON document (RFC 8259) as text. The host refuses a result that does not parse. */
  export type Json = string;

  /** Who speaks in a message. */
  export type Role = "system" | "user" | "assistant" | "tool";

  /** Bytes that are not text. */
  export interface Media {
    /** An IANA media type, such as `image/png`. */
    mime: string;
    /** The bytes themselves, not encoded. */
    data: Uint8Array;
  }

  /** A model's wish to have a tool called. */
  export interface ToolCall {
    /** Names this call within its conversation; the result carries it back. */
    id: string;
    /** The tool's name, as declared in `prompt.tools`. */
    name: string;
    /** The arguments as the model wrote them. */
    arguments: Json;
  }

  /** What a tool answered. */
  export interface ToolResult {
    /** The `id` of the call that this answers. */
    callId: string;
    /** The tool's answer. */
    text: string;
    /** Whether the tool failed, `text` then being the reason. */
    isError: boolean;
  }

  /** A piece of a message. */
  export type Part = 
    | { tag: "text"; val: string }
    | { tag: "media"; val: Media }
    | { tag: "tool-call"; val: ToolCall }
    | { tag: "tool-result"; val: ToolResult }
    | { tag: "reasoning"; val: string };

  /** One turn of a conversation. */
  export interface Message {
    /** Who speaks. */
    role: Role;
    /** What is said, in order. */
    parts: Part[];
  }

  /** A tool that the model may ask for. */
  export interface Tool {
    /** The name by which the model calls it. */
    name: string;
    /** What it does, for the model. */
    description: string;
    /** JSON Schema of the arguments. */
    parameters: Json;
  }

  /** How the model chooses its words. `none` leaves the model's own default: the host adds nothing of its own. */
  export interface Sampling {
    /** The most tokens that the answer may have. */
    maxTokens?: number;
    /** Usually 0 to 2; the provider's own meaning. */
    temperature?: number;
    /** Nucleus sampling, 0 to 1. */
    topP?: number;
    /** Texts at which the model stops. */
    stop: string[];
    /** A seed, where the provider has one. */
    seed?: number;
    /** JSON Schema that the answer must satisfy, where the provider can enforce one. */
    responseSchema?: Json;
    /** An object merged into the request body last, key by key. */
    extra?: Json;
  }

  /** One question to a model. */
  export interface Prompt {
    /** The conversation so far. */
    messages: Message[];
    /** The tools that the model may ask for. */
    tools: Tool[];
    /** What is set here wins over the experiment's own sampling, field by field. */
    sampling: Sampling;
  }

  /** Why the model stopped. */
  export type StopReason = "end" | "max-tokens" | "stop-sequence" | "tool-calls" | "filtered" | "other";

  /** Tokens, as the provider counted them. */
  export interface Usage {
    /** All of the input, cached or not. */
    input: number;
    /** All of the output, reasoning included. */
    output: number;
    /** The part of `input` that was read from the provider's cache. */
    cacheRead: number;
    /** The part of `input` that was written to the provider's cache. */
    cacheWrite: number;
    /** The part of `output` that was reasoning. */
    reasoning: number;
  }

  /** A model's answer. */
  export interface Completion {
    /** What it said, in order. */
    parts: Part[];
    /** Why it stopped. */
    stopReason: StopReason;
    /** What it cost in tokens. */
    usage: Usage;
    /** The model that answered, as the provider names it. */
    model: string;
    /** An object with whatever else the provider said that a scorer may want, such as log probabilities. */
    extra?: Json;
  }

  /** One row of the dataset. */
  export interface Sample {
    /** Unique within the dataset. */
    id: string;
    /** What the sample asks. */
    input: string;
    /** The answers that count as right; empty where the dataset has none. */
    targets: string[];
    /** The whole row, an object. */
    fields: Json;
  }

  /** One question to a model and its answer. */
  export interface Exchange {
    /** What was asked, the experiment's sampling filled in. */
    prompt: Prompt;
    /** What came back. */
    completion: Completion;
  }

  /** The plugin's own no: a result, not an accident. The text is for a person and says what to change. */
  export type Refusal = 
    | { tag: "bad-params"; val: string }
    | { tag: "bad-input"; val: string }
    | { tag: "unsupported"; val: string };

  /** What happens next in a trial. */
  export type PromptBuilderStep = 
    | { tag: "ask"; val: Prompt[] }
    | { tag: "done"; val: string | undefined };

  /** Turns a sample into what the model is asked. */
  export interface PromptBuilder {
    /** JSON Schema of `params`. The host checks parameters against it before anything is paid for. */
    schema(): Json;
    /**
     * Called first with nothing asked. `params` is the experiment's, an object. The answer must follow from the
     * arguments alone; a step that was given before is given again in a replay.
     * Throws Refusal.
     */
    next(params: Json, sample: Sample, asked: Exchange[]): PromptBuilderStep;
  }

  /**
   * One HTTP header. In a request, one that carries a credential or frames the message (`authorization`, `cookie`,
   * `host`, `content-length` and the like) is refused by the host.
   */
  export interface Header {
    /** In lower case. */
    name: string;
    /** Visible ASCII. */
    value: string;
  }

  /** The methods that model APIs use. */
  export type Method = "get" | "post" | "delete";

  /** What to send. All of it but the credential is covered by the request's digest. */
  export interface HttpRequest {
    /** The method. */
    method: Method;
    /** Begins with one `/`; joined to the experiment's base URL. No `..`, no query. */
    path: string;
    /** Names and values, not yet escaped. */
    query: ([string, string])[];
    /** What the API needs beside the credential, such as its version. The host adds `content-type`. */
    headers: Header[];
    /** The bytes of the body are the bytes of this text: they are hashed and sent as they are. */
    body?: Json;
  }

  /** What came back. */
  export interface HttpResponse {
    /** The HTTP status code. */
    status: number;
    /** Those of `profile.response-headers` that were there. */
    headers: Header[];
    /** The body; bytes that are not UTF-8 are replaced. */
    body: string;
  }

  /** Where the host puts the credential. */
  export type Auth = 
    | { tag: "none" }
    | { tag: "bearer" }
    | { tag: "header"; val: string };

  /** What fits into one batch. */
  export interface BatchLimits {
    /** The most requests. */
    requests: number;
    /** The most bytes of the upload. */
    bytes: number;
  }

  /** What the host must know to speak for the plugin. */
  export interface Profile {
    /** Names the wire format, such as `openai.chat`. For a person, and for events. */
    api: string;
    /**
     * Where the API lives unless the experiment or `base-url-variable` says otherwise, such as
     * `https://api.example.com/v1`. It may have a path; it has no query.
     */
    baseUrl: string;
    /** The environment variable that may name another base URL. */
    baseUrlVariable?: string;
    /** Where the credential goes. */
    auth: Auth;
    /** The environment variable that holds the credential, unless the experiment names another. */
    keyVariable: string;
    /** Response headers that `diagnose` and `allowances` read, in lower case. No others are passed. */
    responseHeaders: string[];
    /** The limits of one batch; `none` where the plugin does not export `batch`. */
    batch?: BatchLimits;
  }

  /** What a failure means for what the host does next. */
  export type FaultKind = "rate-limited" | "overloaded" | "exhausted" | "denied" | "rejected" | "malformed";

  /** A failure, explained. */
  export interface Fault {
    /** What to do about it. */
    kind: FaultKind;
    /**
     * The provider's own words where it has any. It stands in the results: nothing that differs from call to call,
     * such as a request id, belongs here.
     */
    message: string;
    /** How long the provider asks to wait, in milliseconds. */
    retryAfterMs?: number;
  }

  /** What a rate limit counts. */
  export type Dimension = "requests" | "tokens" | "input-tokens" | "output-tokens";

  /**
   * One dimension of a rate limit as the headers state it. Providers differ in unit and window: the refill rate
   * follows from the numbers, `(limit - remaining) / reset`, and is never assumed to be per minute.
   */
  export interface Allowance {
    /** What is counted. */
    dimension: Dimension;
    /** The most that the window holds. */
    limit: number;
    /** What is left. */
    remaining: number;
    /** Milliseconds until the window is full again. */
    resetMs: number;
  }

  /**
   * Speaks one model API as data: what to send, and what came back. The host opens the sockets, adds the credential,
   * waits, retries and stores; a provider never sees a key and cannot name another host.
   */
  export interface Provider {
    /** JSON Schema of `params`. The host checks parameters against it before anything is paid for. */
    schema(): Json;
    /**
     * Called once for each config, before anything is sent.
     * Throws Refusal.
     */
    describe(params: Json): Profile;
    /**
     * The request for one completion. Live and batched requests are the same. It carries what the experiment sets and
     * nothing else; what the API demands and the experiment leaves out is refused as `bad-params`.
     * Throws Refusal.
     */
    encode(params: Json, model: string, prompt: Prompt): HttpRequest;
    /**
     * Reads the body of a successful answer, fresh or stored.
     * Throws Fault.
     */
    decode(params: Json, body: Json): Completion;
    /** Reads an answer whose status is not 2xx. */
    diagnose(params: Json, response: HttpResponse): Fault;
    /** Reads the rate limits from an answer's headers; empty where there are none. */
    allowances(headers: Header[]): Allowance[];
  }

  /** How lines become one upload: `prefix`, the lines joined by `separator`, `suffix`. */
  export interface Envelope {
    /** Before the first line. */
    prefix: string;
    /** Between two lines. */
    separator: string;
    /** After the last line. */
    suffix: string;
  }

  /** A request that goes into a batch. */
  export interface RequestLine {
    /** Names the request in the results: its digest, 64 hexadecimal characters. */
    customId: string;
    /** The path that `encode` gave it. */
    path: string;
    /** The body that `encode` gave it. */
    body: Json;
  }

  /** What is to be submitted. */
  export interface Submission {
    /**
     * The host's name for this batch, 32 characters of `[0-9a-f]`: send it wherever the API keeps one, so that
     * `read-page` can return it after a crash.
     */
    mark: string;
    /** The model of all its requests. */
    model: string;
    /** How many requests. */
    requests: number;
    /** How many bytes the framed lines have. */
    bytes: number;
  }

  /** How an upload becomes a form (RFC 7578). */
  export interface Multipart {
    /** The form's plain fields, names and values. */
    fields: ([string, string])[];
    /** The name of the field that holds the lines. */
    fileField: string;
    /** The file name that the field carries. */
    fileName: string;
  }

  /** A request whose body is the framed lines. */
  export interface Upload {
    /** The request; its own body is `none`. */
    request: HttpRequest;
    /** The media type of the lines, such as `application/jsonl`. */
    contentType: string;
    /** Where set, the lines are the file part of a form; else they are the body. */
    multipart?: Multipart;
  }

  /** The next act of a submission. */
  export type SubmitStep = 
    | { tag: "upload"; val: Upload }
    | { tag: "send"; val: HttpRequest }
    | { tag: "submitted"; val: string }
    | { tag: "failed"; val: Fault };

  /** How far a batch is. Where the API does not say, what is not known is 0. */
  export interface Counts {
    /** Its requests. */
    total: number;
    /** Those that have ended, failed or not. */
    done: number;
    /** Those of `done` that failed. */
    failed: number;
  }

  /** How results are cut before the plugin reads them. */
  export type ResultFormat = "lines" | "document";

  /** Where results are. */
  export interface Results {
    /** Answers with them. */
    request: HttpRequest;
    /** How they are cut. */
    format: ResultFormat;
  }

  /** Where a batch stands. */
  export type State = 
    | { tag: "running"; val: Counts }
    | { tag: "ended"; val: Results[] }
    | { tag: "failed"; val: Fault };

  /** An answer that a live call would have got. */
  export interface Completed {
    /** The body, byte for byte as it stands in the line. */
    body: Json;
    /** The model that answered, or empty: the host reads the body with `decode`, which says it again. */
    model: string;
  }

  /** How one request of a batch ended. */
  export type Outcome = 
    | { tag: "completed"; val: Completed }
    | { tag: "failed"; val: Fault }
    | { tag: "expired" }
    | { tag: "cancelled" };

  /** One result line. */
  export interface Answer {
    /** The name that `lines` gave the request. */
    customId: string;
    /** How it ended. */
    outcome: Outcome;
  }

  /** A batch as the provider's list shows it. */
  export interface Listed {
    /** The batch's id. */
    id: string;
    /** The `mark` of its submission, where the API keeps one. */
    mark?: string;
    /** When it was created, in milliseconds since 1970-01-01 UTC. */
    createdAtMs: number;
    /** Its requests; 0 where the API does not say. */
    total: number;
  }

  /** One page of the provider's list, newest first. */
  export interface Page {
    /** The batches. */
    batches: Listed[];
    /** The cursor of the next page; `none` on the last. */
    next?: string;
  }

  /**
   * The same API's batch half. Bodies of hundreds of megabytes never enter the plugin: it frames lines, and the host
   * streams them. `params` are the experiment's, as in `provider`. Answers whose status is not 2xx go to `diagnose` and
   * never get here.
   */
  export interface Batch {
    /** How the lines of a batch for this model are framed. */
    frame(params: Json, model: string): Envelope;
    /** A line for each request, in their order. A line has no line feed in it. */
    lines(params: Json, model: string, requests: RequestLine[]): string[];
    /** Called with no response first, then with all answers so far. */
    submit(params: Json, submission: Submission, responses: HttpResponse[]): SubmitStep;
    /** How to ask where a batch stands. */
    poll(params: Json, id: string): HttpRequest;
    /** Reads the answer to `poll`. */
    readPoll(params: Json, id: string, response: HttpResponse): State;
    /**
     * Reads result lines, or a document, in their order: what stands in them, which may be more or less than one result
     * each.
     */
    readLines(params: Json, lines: string[]): ({ tag: "ok", val: Answer } | { tag: "err", val: Fault })[];
    /** How to list batches; the first page without a cursor. */
    listPage(params: Json, cursor: string | undefined): HttpRequest;
    /**
     * Reads the answer to `list-page`.
     * Throws Fault.
     */
    readPage(params: Json, response: HttpResponse): Page;
    /** How to cancel a batch. */
    cancel(params: Json, id: string): HttpRequest;
  }

  /** What is judged. */
  export interface Subject {
    /** The row that was asked about. */
    sample: Sample;
    /** The trial's answer. */
    answer: string;
    /** The trial's own exchanges, for scorers that look at more than the answer. */
    exchanges: Exchange[];
  }

  /** A verdict. */
  export type Value = 
    | { tag: "number"; val: number }
    | { tag: "boolean"; val: boolean }
    | { tag: "label"; val: string };

  /** One measure of one answer. */
  export interface Score {
    /** Which of the scorer's measures this is, such as `correct` or `f1`. */
    name: string;
    /** The verdict. */
    value: Value;
    /** What the scorer read as the answer. */
    extracted?: string;
    /** Why, for a person. */
    explanation?: string;
    /** An object with anything else worth keeping. */
    extra?: Json;
  }

  /** A question to a judge. */
  export interface Question {
    /** Names a model that the experiment declares under `models`, such as `judge`. */
    model: string;
    /** What the judge is asked. */
    prompt: Prompt;
  }

  /** What happens next in judging. */
  export type ScorerStep = 
    | { tag: "ask"; val: Question[] }
    | { tag: "done"; val: Score[] };

  /** Judges one trial's answer. A scorer that needs a judge model asks for it, as a prompt builder does. */
  export interface Scorer {
    /** JSON Schema of `params`. The host checks parameters against it before anything is paid for. */
    schema(): Json;
    /**
     * Called first with nothing asked. `params` is the experiment's, an object.
     * Throws Refusal.
     */
    judge(params: Json, subject: Subject, asked: Exchange[]): ScorerStep;
  }

}

declare module "xhost:plugin/log@0.1.0" {
  /** Writes one line. A call may write 64 KiB in all; the call that goes past that is a limit, and the trial fails. */
  export function log(level: import("xhost:plugin").Level, message: string): void;
}
