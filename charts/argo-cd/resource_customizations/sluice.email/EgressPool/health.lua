-- Health of EgressPools and ShapingPolicies; both folders hold the same script. The resources are kstatus-compatible: `Ready` sums up, `Stalled` says that only a change helps.
local hs = { status = "Progressing", message = "Waiting for sluice-operator to look at this generation" }

if obj.status == nil or obj.status.conditions == nil then
  return hs
end
-- What is said of an older generation says nothing of this one.
if obj.status.observedGeneration ~= nil and obj.metadata.generation ~= nil and obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end

local ready = nil
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Stalled" and condition.status == "True" then
    hs.status = "Degraded"
    hs.message = condition.message
    return hs
  end
  if condition.type == "Ready" then
    ready = condition
  end
end

if ready == nil then
  return hs
end
hs.message = ready.message
if ready.status == "True" then
  hs.status = "Healthy"
elseif ready.reason == "PodsBehind" then
  hs.status = "Progressing"
elseif ready.status == "False" then
  hs.status = "Degraded"
end
return hs
