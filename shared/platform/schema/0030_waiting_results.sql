-- A result that can't be read before a Task of no patient is answered: each once, so that the Task counts it once.
CREATE TABLE waiting_results (
    program text NOT NULL,
    task    text NOT NULL,
    result  uuid NOT NULL,       -- made of its report, code and place in it: the same again is the same one
    at      timestamptz NOT NULL, -- clinic time of when it came
    PRIMARY KEY (task, program, result)
);
CREATE INDEX waiting_results_at ON waiting_results (at);
