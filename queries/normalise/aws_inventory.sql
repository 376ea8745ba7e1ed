/*
id: aws_inventory
title: Resources of AWS accounts, to the inventory
version: 1
owner: finops-ledger
provider: AWS
why: >
  A bill says what a resource costs. The services' own lists say whether it still is there, how many machines it holds, when it was
  made and whether it stops by itself.
sources:
  - List and Describe calls of SageMaker, Bedrock, EC2 and EFS, and tags, as the collector aws-utilisation writes them, a line per resource
misses: >
  Deleted resources are gone from the services' lists and stay in the bill. Scripts, environment variables and hyperparameters may hold
  secrets and are not kept. A property that AWS did not state, or that was denied, is left out.
yields: inventory
detect: [aws_account, service, type, properties]
reads:
  aws_account: text
  changed_at: timestamp
  created_at: timestamp
  id: text
  name: text
  properties: json
  region: text
  service: text
  state: text
  tags: map
  type: text
*/
SELECT
    'AWS' AS provider,
    aws_account AS account_id,
    region,
    id AS resource_id,
    name AS resource_name,
    type AS resource_type,
    state,
    created_at,
    changed_at,
    tags,
    -- runs of one job have names that differ in a date, a number or a hash at the end: without it, the name of the family
    CASE WHEN type LIKE '%Job'
        THEN json_merge_patch(properties, json_object(
            'Family', coalesce(nullif(regexp_replace(name, '([-_.]+(v?[0-9]+|[0-9a-f]{6,}|[0-9][0-9a-z]*))+$', '', 'i'), ''), name)
        ))
        ELSE properties
    END AS properties
FROM delivered
