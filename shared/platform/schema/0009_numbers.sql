-- Numbers of a laboratory or an EHR, by which its reports are found. Only bodies of these types that have any are read.
CREATE INDEX resources_numbers ON resources USING gin (jsonb_path_query_array(body::jsonb, '$.identifier[*].value'))
    WHERE type IN ('DiagnosticReport', 'Observation', 'Specimen') AND NOT sealed AND strpos(body, '"identifier"') > 0;
