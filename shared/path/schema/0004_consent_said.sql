-- When intake said it: a consent word that could be read only later must not overtake a newer one about the same consent.

ALTER TABLE consents ADD COLUMN said_at timestamptz;
