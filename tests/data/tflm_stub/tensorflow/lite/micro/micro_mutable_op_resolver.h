#ifndef STUB_MICRO_MUTABLE_OP_RESOLVER_H_
#define STUB_MICRO_MUTABLE_OP_RESOLVER_H_

#include "tensorflow/lite/c/common.h"

namespace tflite {

class MicroOpResolver {
 public:
  virtual ~MicroOpResolver() = default;
  // Whether as many operators were added as there is room for: the real one allows fewer.
  virtual bool whole() const = 0;
};

#define ADD(name) \
  TfLiteStatus Add##name() { return ++count_ <= size ? kTfLiteOk : kTfLiteError; }

template <unsigned int size>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  bool whole() const override { return count_ == size; }

  // All that the real one has.
  ADD(Abs) ADD(Add) ADD(AddN) ADD(ArgMax) ADD(ArgMin) ADD(AssignVariable) ADD(AveragePool2D) ADD(BatchMatMul)
  ADD(BatchToSpaceNd) ADD(BroadcastArgs) ADD(BroadcastTo) ADD(CallOnce) ADD(Cast) ADD(Ceil) ADD(CircularBuffer)
  ADD(Concatenation) ADD(Conv2D) ADD(Cos) ADD(CumSum) ADD(Decode) ADD(Delay) ADD(DepthToSpace)
  ADD(DepthwiseConv2D) ADD(Dequantize) ADD(DetectionPostprocess) ADD(Div) ADD(DynamicUpdateSlice) ADD(Elu)
  ADD(EmbeddingLookup) ADD(Energy) ADD(Equal) ADD(EthosU) ADD(Exp) ADD(ExpandDims) ADD(FftAutoScale) ADD(Fill)
  ADD(FilterBank) ADD(FilterBankLog) ADD(FilterBankSpectralSubtraction) ADD(FilterBankSquareRoot) ADD(Floor)
  ADD(FloorDiv) ADD(FloorMod) ADD(Framer) ADD(FullyConnected) ADD(Gather) ADD(GatherNd) ADD(Greater)
  ADD(GreaterEqual) ADD(HardSwish) ADD(If) ADD(Irfft) ADD(L2Normalization) ADD(L2Pool2D) ADD(LeakyRelu)
  ADD(Less) ADD(LessEqual) ADD(Log) ADD(LogSoftmax) ADD(LogicalAnd) ADD(LogicalNot) ADD(LogicalOr) ADD(Logistic)
  ADD(MaxPool2D) ADD(Maximum) ADD(Mean) ADD(Minimum) ADD(MirrorPad) ADD(Mul) ADD(Neg) ADD(NotEqual)
  ADD(OverlapAdd) ADD(PCAN) ADD(Pack) ADD(Pad) ADD(PadV2) ADD(Prelu) ADD(Quantize) ADD(ReadVariable)
  ADD(ReduceAll) ADD(ReduceMax) ADD(ReduceMin) ADD(Relu) ADD(Relu6) ADD(Reshape) ADD(ResizeBilinear)
  ADD(ResizeNearestNeighbor) ADD(ReverseV2) ADD(Rfft) ADD(Round) ADD(Rsqrt) ADD(SelectV2) ADD(Shape) ADD(Sin)
  ADD(Slice) ADD(Softmax) ADD(SpaceToBatchNd) ADD(SpaceToDepth) ADD(Split) ADD(SplitV) ADD(Sqrt) ADD(Square)
  ADD(SquaredDifference) ADD(Squeeze) ADD(Stacker) ADD(StridedSlice) ADD(Sub) ADD(Sum) ADD(Svdf) ADD(Tanh)
  ADD(Transpose) ADD(TransposeConv) ADD(UnidirectionalSequenceLSTM) ADD(Unpack) ADD(VarHandle) ADD(While)
  ADD(Window) ADD(ZerosLike)

 private:
  unsigned int count_ = 0;
};

#undef ADD

}  // namespace tflite

#endif  // STUB_MICRO_MUTABLE_OP_RESOLVER_H_
