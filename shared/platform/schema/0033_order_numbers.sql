-- Numbers of an EHR by which what it ordered is found. An index of its own: that of reports is large, and stays.
CREATE INDEX resources_order_numbers ON resources USING gin
    (jsonb_path_query_array(body::jsonb, '$.identifier[*].value'))
    WHERE type = 'ServiceRequest' AND NOT sealed AND strpos(body, '"identifier"') > 0;
