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
    CASE WHEN type LIKE '%Job' THEN json_merge_patch(properties, json_object('Family', family)) ELSE properties END AS properties
FROM (
    SELECT
        *,
        -- a run's name without the date, number or hash at its end, and without what SageMaker Pipelines puts around a step's name
        regexp_replace(
            regexp_replace(name, '^pipelines-[0-9a-z]{12}-(.+)-[0-9A-Za-z]{10}$', '\1'),
            '(.)([-_.]+([0-9]+|[0-9]{8}t[0-9]+z?|v[0-9]+|[0-9a-f]{8,}))+$', '\1', 'i'
        ) AS family
    FROM delivered
)
