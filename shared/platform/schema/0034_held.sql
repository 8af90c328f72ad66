-- A result of which a person says whose it is waits as one for nobody known does, under no digest. Until now its Task held what
-- was found, which whoever may read Tasks could read: it moves to where it waits, and no Task holds it any more.
INSERT INTO waiting (id, program, digest, producer, content, resources, at)
    SELECT r.id::uuid, r.program, '',
        coalesce(max(i ->> 'valueString') FILTER (WHERE i #>> '{type,coding,0,code}' = 'laboratory'), ''),
        '[' || coalesce(string_agg(i ->> 'valueString', ',') FILTER (WHERE i #>> '{type,coding,0,code}' = 'report'), '') || ']',
        '[' || coalesce(string_agg(i ->> 'valueString', ',') FILTER (WHERE i #>> '{type,coding,0,code}' = 'received'), '') || ']',
        r.at
    FROM resources r, jsonb_array_elements(r.body::jsonb -> 'input') i
    WHERE r.type = 'Task' AND r.status IN ('requested', 'accepted', 'in-progress') AND NOT r.sealed
        AND strpos(r.body, '"assign-result"') > 0 AND strpos(r.body, '"report"') > 0
    GROUP BY r.id, r.program, r.at
    ON CONFLICT DO NOTHING;
UPDATE resources SET body = jsonb_set(body::jsonb, '{input}', (
        SELECT coalesce(jsonb_agg(i), '[]') FROM jsonb_array_elements(body::jsonb -> 'input') i
        WHERE i #>> '{type,coding,0,code}' NOT IN ('report', 'received')))::text
    WHERE type = 'Task' AND NOT sealed AND strpos(body, '"assign-result"') > 0 AND strpos(body, '"report"') > 0;
