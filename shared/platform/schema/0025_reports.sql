-- What was commanded in a program, by when: whether its senders speak.
CREATE INDEX journal_commanded ON journal (program, now) WHERE delivery = 'commanded';
