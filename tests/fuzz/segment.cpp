// Conditions, from text to an answer.
#include "engine/core/segment/segment.h"
#include "engine/authoring/yaml_reader.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onward;
  static const Awkward awkward;
  Diagnostics diagnostics;
  const auto tree = read_yaml(text_of(data, size), diagnostics);
  if (!tree) return 0;
  const Segment segment = Segment::compile(*tree, "\"if\"", "America/Toronto", diagnostics);
  const SegmentSubject subject{awkward.contact, awkward.engagement, &awkward.event, awkward.now,
                               "Asia/Tokyo"};
  const SegmentResult result = segment.evaluate(subject);
  const Segment::Judgement judged = segment.judge(subject);
  if (diagnostics.has_errors()) return 0;
  must(judged.truth == result.truth, "what is explained is what is answered");
  must(judged.why.size() <= 200, "an explanation is short");
  if (!result.valid_until) return 0;
  must(*result.valid_until > awkward.now, "an answer changes in the future");
  SegmentSubject before = subject;
  before.now = *result.valid_until - Duration{1};
  must(segment.evaluate(before).truth == result.truth, "an answer holds as long as it says");
  return 0;
}
